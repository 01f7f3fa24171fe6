// The two roles of a task: what starts it, and what it may do itself.
import { Aws } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { SEND_ACTIONS } from '../key.ts';
import type { Names } from '../names.ts';
import type { Queues } from '../queues.ts';
import type { Settings } from '../settings.ts';

/** The actions that the worker calls, and on what; a test compares them with its source. */
export const WORKER_ACTIONS = {
  queue: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility', 'sqs:GetQueueAttributes'],
  dlq: ['sqs:SendMessage', 'sqs:GetQueueUrl', 'sqs:GetQueueAttributes'],
  topic: ['sns:Publish', 'sns:GetTopicAttributes'],
  tasks: ['ecs:GetTaskProtection', 'ecs:UpdateTaskProtection'],
};

/** What the worker may reach. */
export interface Reach {
  readonly names: Names;
  readonly queues: Queues;
  readonly topic: string;
  readonly key: IKey;
}

/** The role that the worker, and what runs beside it, has. */
export function addTaskRole(scope: Construct, settings: Settings, { names, queues, topic, key }: Reach): Role {
  const tasks = names.within('arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:task/{prefix}/*');
  const viaServices = ['sqs', 'sns'].map((service) => names.within(`${service}.\${AWS::Region}.amazonaws.com`));
  const statements = [
    allow(WORKER_ACTIONS.queue, queues.queue.arn),
    allow(WORKER_ACTIONS.dlq, queues.dlq.arn),
    ...(settings.NOTIFY === 'none' ? [] : [allow(WORKER_ACTIONS.topic, topic)]),
    allow(WORKER_ACTIONS.tasks, tasks),
    allow(SEND_ACTIONS, key.keyArn, { StringEquals: { 'kms:ViaService': viaServices } }),
    ...(settings.COLLECTOR_IMAGE ? [allow(['xray:PutTraceSegments', 'xray:PutTelemetryRecords'], '*')] : []),
  ];
  return roleOfTasks(scope, 'TaskRole', statements);
}

/** The role by which ECS pulls the images and writes the logs. */
export function addExecutionRole(scope: Construct, { within }: Names, logs: CfnLogGroup): Role {
  const repositories = within('arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/*');
  return roleOfTasks(scope, 'ExecutionRole', [
    allow(['ecr:GetAuthorizationToken'], '*'),
    allow(['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'], repositories),
    allow(['logs:CreateLogStream', 'logs:PutLogEvents'], logs.attrArn),
  ]);
}

function allow(actions: string[], resource: string, conditions?: Record<string, unknown>): PolicyStatement {
  return new PolicyStatement({ actions, resources: [resource], ...(conditions ? { conditions } : {}) });
}

function roleOfTasks(scope: Construct, id: string, statements: PolicyStatement[]): Role {
  return new Role(scope, id, {
    assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    }),
    inlinePolicies: { Task: new PolicyDocument({ statements }) },
  });
}
