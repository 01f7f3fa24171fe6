// The task: the worker's container, and beside it those of the handlers and the collector where there are such.
import { Duration } from 'aws-cdk-lib';
import type { Connections } from 'aws-cdk-lib/aws-ec2';
import {
  AwsLogDriverMode,
  Capability,
  type ContainerDefinition,
  ContainerDependencyCondition,
  type ContainerImage,
  CpuArchitecture,
  FargateTaskDefinition,
  FirelensLogRouterType,
  type HealthCheck,
  LinuxParameters,
  type LogDriver,
  LogDrivers,
  OperatingSystemFamily,
  type Ulimit,
  UlimitName,
} from 'aws-cdk-lib/aws-ecs';
import type { Role } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { addLogGroup } from '../log_group.ts';
import { environment, STOP_TIMEOUT_SECONDS, tracing } from './environment.ts';
import { mountFileSystems } from './file_systems.ts';
import type { ContainerOptions, HandlerContainer, LogRouter, LongshoreServiceProps } from './props.ts';

const LOG_ROUTER = 'log-router';
const FILES: Ulimit = { name: UlimitName.NOFILE, softLimit: 65536, hardLimit: 65536 };
const WORKER_HEALTH: HealthCheck = {
  command: ['CMD', 'longshore', 'healthcheck'],
  interval: Duration.seconds(10),
  timeout: Duration.seconds(5),
  retries: 3,
  startPeriod: Duration.seconds(30),
};
/** Traces go to X-Ray; the worker's metrics are scraped where it serves them. */
const COLLECTOR_CONFIG = `receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:4317"}, http: {endpoint: "127.0.0.1:4318"}}}}
exporters: {awsxray: {}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [awsxray]}}}
`;

/** What a task is made of beside what the team says. */
export interface TaskParts {
  readonly taskRole: Role;
  readonly executionRole: Role;
  /** From where its file systems are reached. */
  readonly connections: Connections;
}

/** One container, all said. */
interface Container {
  readonly name: string;
  readonly image: ContainerImage;
  readonly options: ContainerOptions;
  readonly variables: Readonly<Record<string, string>>;
  /** Whether the task ends with it. */
  readonly essential: boolean;
  /** Whether it gets a volume for temporary files: the root file systems are read-only. */
  readonly temporary?: string;
}

/** Makes the task. ECS stops a container after those that depend on it, so the worker drains before its helpers end. */
export function addTask(scope: Construct, props: LongshoreServiceProps, parts: TaskParts): FargateTaskDefinition {
  const task = new FargateTaskDefinition(scope, 'Task', {
    family: `${props.prefix}-worker`,
    cpu: props.cpu ?? 512,
    memoryLimitMiB: props.memory ?? 1024,
    runtimePlatform: { cpuArchitecture: props.architecture ?? CpuArchitecture.X86_64, operatingSystemFamily: OperatingSystemFamily.LINUX },
    taskRole: parts.taskRole,
    executionRole: parts.executionRole,
    ...(props.ephemeralStorage === undefined ? {} : { ephemeralStorageGiB: props.ephemeralStorage }),
  });
  const log = logDrivers(scope, task, props);
  const added = containers(props).map((container) => addContainer(task, container, log(container.name), props, parts.connections));
  const [worker, ...helpers] = added as [ContainerDefinition, ...ContainerDefinition[]];
  const checked = new Set((props.handlers ?? []).filter(({ healthCheck }) => healthCheck !== undefined).map(handlerName));
  for (const container of helpers) {
    const isChecked = checked.has(container.containerName);
    worker.addContainerDependencies({ container, condition: isChecked ? ContainerDependencyCondition.HEALTHY : ContainerDependencyCondition.START });
  }
  return task;
}

const handlerName = ({ name = 'handler' }: HandlerContainer): string => name;

function containers(props: LongshoreServiceProps): Container[] {
  const { prefix, worker, handlers = [], collector } = props;
  const service = `${prefix}-worker`;
  return [
    {
      name: 'worker',
      image: worker.image,
      options: { command: ['run'], healthCheck: WORKER_HEALTH, ulimits: [FILES], ...worker },
      variables: { ...environment(props), ...tracing(props, service) },
      essential: true,
      temporary: 'tmp',
    },
    ...handlers.map((handler) => {
      const name = handlerName(handler);
      return { name, image: handler.image, options: handler, variables: tracing(props, `${service}-${name}`), essential: false, temporary: `${name}-tmp` };
    }),
    ...(collector === undefined
      ? []
      : [{ name: 'collector', image: collector, options: {}, variables: { AOT_CONFIG_CONTENT: COLLECTOR_CONFIG }, essential: false }]),
  ];
}

/** A helper that fails is started again: the worker pauses meanwhile, and no work that is under way is lost with it. */
function addContainer(task: FargateTaskDefinition, container: Container, logging: LogDriver, props: LongshoreServiceProps, connections: Connections): ContainerDefinition {
  const { name, image, essential, temporary } = container;
  const { environment: own = {}, secrets = {}, fileSystems = [], command, entryPoint, user, healthCheck, ulimits } = container.options;
  // The first process reaps what the programs of a handler leave behind.
  const linuxParameters = new LinuxParameters(task, `${name}Linux`, { initProcessEnabled: true });
  linuxParameters.dropCapabilities(Capability.ALL);
  const added = task.addContainer(name, {
    image,
    essential,
    linuxParameters,
    logging,
    readonlyRootFilesystem: props.enableExecuteCommand !== true,
    stopTimeout: Duration.seconds(STOP_TIMEOUT_SECONDS),
    environment: { ...container.variables, ...own },
    secrets,
    ...(essential ? {} : { enableRestartPolicy: true, restartAttemptPeriod: Duration.minutes(1) }),
    ...(command === undefined ? {} : { command }),
    ...(entryPoint === undefined ? {} : { entryPoint }),
    ...(user === undefined ? {} : { user }),
    ...(healthCheck === undefined ? {} : { healthCheck }),
    ...(ulimits === undefined ? {} : { ulimits }),
  });
  if (temporary !== undefined) {
    task.addVolume({ name: temporary });
    added.addMountPoints({ sourceVolume: temporary, containerPath: '/tmp', readOnly: false });
  }
  mountFileSystems(task, added, fileSystems, connections);
  return added;
}

/** The log driver of each container, by its name. */
function logDrivers(scope: Construct, task: FargateTaskDefinition, props: LongshoreServiceProps): (name: string) => LogDriver {
  const { logging, logBuffer, logRouter } = props;
  if (logging !== undefined) return () => logging;
  const logGroup = props.logGroup ?? addLogGroup(scope, 'WorkerLogs', `/longshore/${props.prefix}/worker`, props);
  const buffer = logBuffer === undefined ? {} : { maxBufferSize: logBuffer };
  const direct = (streamPrefix: string) => LogDrivers.awsLogs({ streamPrefix, logGroup, mode: AwsLogDriverMode.NON_BLOCKING, ...buffer });
  if (logRouter === undefined) return direct;
  addLogRouter(task, logRouter, direct(LOG_ROUTER));
  return () => LogDrivers.firelens({ options: { ...logRouter.options } });
}

/** ECS writes the router's configuration into it when it starts, so its root file system is not read-only. */
function addLogRouter(task: FargateTaskDefinition, { image }: LogRouter, logging: LogDriver): void {
  task.addFirelensLogRouter(LOG_ROUTER, {
    image,
    logging,
    firelensConfig: { type: FirelensLogRouterType.FLUENTBIT },
    stopTimeout: Duration.seconds(STOP_TIMEOUT_SECONDS),
    essential: true,
  });
}
