// What a team says of its service, each with its unit and its default.
import type { Duration, Size } from 'aws-cdk-lib';
import type { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import type { CapacityProviderStrategy, ContainerImage, CpuArchitecture, HealthCheck, ICluster, LogDriver, Secret, Ulimit } from 'aws-cdk-lib/aws-ecs';
import type { IAccessPoint, IFileSystem } from 'aws-cdk-lib/aws-efs';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { ILogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';

/** How a message can end. */
export type Outcome = 'done' | 'failure' | 'reject';

/**
 * What adds tasks: alarms of CloudWatch alone, or the workers too, by the counts that they ask SQS for. The task role may then change the
 * number of the service's tasks, and a network without internet needs the endpoint `ecs`.
 */
export type ScaleOutBy = 'alarms' | 'workers';

/** A value of a handler's settings: what an environment variable can say. */
export type SettingValue = string | number | boolean | readonly (string | number | boolean)[];

/** A queue that the workers consume. */
export interface WorkQueue {
  /** The queue; its key, if it has one, may be used by the task role. */
  readonly queue: IQueue;
  /**
   * The queue that its redrive policy names: the worker moves what is rejected there, and an alarm watches it.
   * @default none: nothing is said of it, and rejected messages cannot be moved
   */
  readonly deadLetterQueue?: IQueue;
  /**
   * What the worker's settings, its metrics and the alarms of a second queue call it: lower-case letters, digits and underscores.
   * @default 'jobs'
   */
  readonly name?: string;
  /**
   * The settings of the handler, `queues.<name>.handler` of docs/configuration.md, such as `{ kind: 'exec', command: ['/app/job'] }`.
   * @default an HTTP handler at the first container of `handlers`
   */
  readonly handler?: Readonly<Record<string, SettingValue>>;
  /**
   * Calls of the handler at once in each task.
   * @default 16
   */
  readonly concurrency?: number;
  /**
   * The most messages that a call of the handler gets, 1 to 10.
   * @default 1
   */
  readonly batchSize?: number;
  /**
   * How long a received message stays hidden, until the worker extends it.
   * @default 30 seconds
   */
  readonly visibility?: Duration;
  /**
   * How long a call of the handler may take.
   * @default 15 minutes
   */
  readonly timeout?: Duration;
  /**
   * The outcomes that are published to a topic.
   * @default none
   */
  readonly notify?: { readonly topic: ITopic; readonly outcomes: readonly Outcome[] };
  /**
   * The oldest message's age that raises the alarm, and adds a task unless the queue is FIFO.
   * @default 1 hour
   */
  readonly ageLimit?: Duration;
  /**
   * Minutes without a receive, while messages wait, that raise the alarm.
   * @default 15 minutes
   */
  readonly stallLimit?: Duration;
  /**
   * The oldest message's age that comes near the queue's retention, after which it is gone.
   * @default no such alarm: nothing is known of the queue's retention
   */
  readonly retentionLimit?: Duration;
}

/** A file system of EFS in a container. */
export interface FileSystemMount {
  readonly fileSystem: IFileSystem;
  /** The path in the container. */
  readonly path: string;
  /**
   * By which access point; with one, its user and its directory count.
   * @default the file system's root
   */
  readonly accessPoint?: IAccessPoint;
  /** @default false */
  readonly readOnly?: boolean;
}

/** What the worker's container and a handler's are told alike. */
export interface ContainerOptions {
  /** Variables that anyone who may describe the task definition can read. @default none */
  readonly environment?: Readonly<Record<string, string>>;
  /** Variables whose values ECS reads from Secrets Manager or SSM when the task starts, by the execution role. @default none */
  readonly secrets?: Readonly<Record<string, Secret>>;
  /** @default `run` for the worker, the image's own for a handler */
  readonly command?: string[];
  /** @default the image's own */
  readonly entryPoint?: string[];
  /** The user, by name or id, with a group after a colon. @default the image's own */
  readonly user?: string;
  /** @default the worker asks itself; a handler has none */
  readonly healthCheck?: HealthCheck;
  /** @default 65,536 open files for the worker */
  readonly ulimits?: Ulimit[];
  /** @default none */
  readonly fileSystems?: readonly FileSystemMount[];
}

/** The worker's own container. */
export interface WorkerOptions extends ContainerOptions {
  /** Longshore's image, or one built `FROM` it. */
  readonly image: ContainerImage;
}

/** A container beside the worker that answers on a port. */
export interface HandlerContainer extends ContainerOptions {
  readonly image: ContainerImage;
  /** @default 'handler' */
  readonly name?: string;
  /** The port on 127.0.0.1 that it answers on. @default 8080 */
  readonly port?: number;
}

/** A container that takes the log of the others. */
export interface LogRouter {
  /** An image of Fluent Bit, such as AWS's `aws-for-fluent-bit`. */
  readonly image: ContainerImage;
  /** The options of its output, such as `Name` and `region`. */
  readonly options: Readonly<Record<string, string>>;
}

/** The task, the fleet and what watches it. */
export interface LongshoreServiceProps {
  /** The first part of all names, such as `orders-prod`: `{prefix}-worker`, `{prefix}-scale-out`; one for each service. */
  readonly prefix: string;
  /** What the workers consume: one queue, or up to four. */
  readonly queues: readonly [WorkQueue, ...WorkQueue[]];
  /** The worker's container. */
  readonly worker: WorkerOptions;
  /** Containers beside the worker, in which handlers run. @default none: a handler of another kind runs in the worker's own */
  readonly handlers?: readonly HandlerContainer[];
  /**
   * An OpenTelemetry collector beside the worker, which sends traces to X-Ray.
   * @default none
   */
  readonly collector?: ContainerImage;

  /** Where tasks run. */
  readonly vpc: IVpc;
  /** @default the private subnets of the VPC */
  readonly vpcSubnets?: SubnetSelection;
  /** @default a new one that lets HTTPS out and nothing in */
  readonly securityGroups?: readonly ISecurityGroup[];
  /** Whether a task gets an address of its own, which it needs in a public subnet. @default false */
  readonly assignPublicIp?: boolean;
  /** @default a new cluster called `prefix`, with Container Insights, which the scaling reads */
  readonly cluster?: ICluster;

  /** CPU units of a task; 1024 are a vCPU. @default 512 */
  readonly cpu?: number;
  /** MiB of memory of a task, in a pair with `cpu` that Fargate takes. @default 1024 */
  readonly memory?: number;
  /** GiB of a task's own disk, 21 to 200. @default the 20 that Fargate gives */
  readonly ephemeralStorage?: number;
  /** What the images are built for. @default CpuArchitecture.X86_64 */
  readonly architecture?: CpuArchitecture;
  /** Fargate, Fargate Spot or both. @default Fargate */
  readonly capacityProviderStrategies?: readonly CapacityProviderStrategy[];
  /** Whether `aws ecs execute-command` may open a shell: the root file systems can then be written to. @default false */
  readonly enableExecuteCommand?: boolean;

  /** The fewest tasks; with 0 nothing runs while the queues are empty. @default 1 */
  readonly minTasks?: number;
  /** The most tasks. @default 10 */
  readonly maxTasks?: number;
  /** In what time the tasks are to start all that waits. @default 1 minute */
  readonly backlogTarget?: Duration;
  /** What adds tasks. @default 'alarms' */
  readonly scaleOutBy?: ScaleOutBy;
  /**
   * Metrics that say that messages come, such as `SqsApi.requests`: they start the first task while SQS sends no metrics of an idle queue.
   * @default none
   */
  readonly arrivals?: readonly Metric[];

  /** What is told when an alarm begins, and when it is over. @default the alarms tell nobody */
  readonly alarmTopic?: ITopic;
  /** What the worker logs, such as `info,longshore=debug`. @default 'info' */
  readonly logFilter?: string;
  /** Where all containers log. @default a new group `/longshore/{prefix}/worker` */
  readonly logGroup?: ILogGroup;
  /** How long a new log group keeps its lines. @default RetentionDays.ONE_MONTH */
  readonly logRetention?: RetentionDays;
  /** The key that encrypts a new log group; its policy must allow CloudWatch Logs, as that of a `LongshoreKey` does. @default CloudWatch's own */
  readonly logKey?: IKey;
  /** How much of the log ECS keeps in memory before it drops lines rather than hold up a container. @default ECS's own */
  readonly logBuffer?: Size;
  /** Another log driver for all containers, such as `LogDrivers.splunk()`. @default awslogs into the log group */
  readonly logging?: LogDriver;
  /** A router of logs (FireLens with Fluent Bit) that all containers log to; what it says itself goes to the log group. @default none */
  readonly logRouter?: LogRouter;
}
