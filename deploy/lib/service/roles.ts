// The two roles of a task: what starts it, and what it may do itself.
import { Aws } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { SEND_ACTIONS } from '../longshore_key.ts';
import type { ServiceNames } from '../metrics.ts';
import type { LongshoreServiceProps } from './props.ts';

/** The actions that the worker calls, and on what; a test compares them with its source. */
export const WORKER_ACTIONS = {
  queue: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility', 'sqs:GetQueueAttributes'],
  dlq: ['sqs:SendMessage', 'sqs:GetQueueUrl', 'sqs:GetQueueAttributes'],
  topic: ['sns:Publish', 'sns:GetTopicAttributes'],
  tasks: ['ecs:GetTaskProtection', 'ecs:UpdateTaskProtection', 'ecs:DescribeTasks'],
  service: ['ecs:DescribeServices'],
  scaleOut: ['ecs:UpdateService'],
};
/** What the agent of `aws ecs execute-command` opens its channels by. */
const EXECUTE_COMMAND = ['CreateControlChannel', 'CreateDataChannel', 'OpenControlChannel', 'OpenDataChannel'].map((name) => `ssmmessages:${name}`);

/** The role that the worker, and what runs beside it, has. */
export function addTaskRole(scope: Construct, props: LongshoreServiceProps, { clusterName, serviceName }: ServiceNames): Role {
  const { queues, collector, enableExecuteCommand } = props;
  const dlqs = queues.flatMap(({ deadLetterQueue }) => deadLetterQueue ?? []);
  const topics = queues.flatMap(({ notify }) => (notify === undefined || notify.outcomes.length === 0 ? [] : [notify.topic]));
  const inCluster = (kind: string, name: string) => `arn:${Aws.PARTITION}:ecs:${Aws.REGION}:${Aws.ACCOUNT_ID}:${kind}/${clusterName}/${name}`;
  const keys = [...queues.map(({ queue }) => queue), ...dlqs].map(({ encryptionMasterKey }) => encryptionMasterKey).concat(topics.map(({ masterKey }) => masterKey));
  return roleOfTasks(scope, 'TaskRole', [
    ...allow(WORKER_ACTIONS.queue, queues.map(({ queue }) => queue.queueArn)),
    ...allow(WORKER_ACTIONS.dlq, dlqs.map(({ queueArn }) => queueArn)),
    ...allow(WORKER_ACTIONS.topic, topics.map(({ topicArn }) => topicArn)),
    ...allow(WORKER_ACTIONS.tasks, [inCluster('task', '*')]),
    ...allow(WORKER_ACTIONS.service, [inCluster('service', serviceName)]),
    ...(props.scaleOutBy === 'workers' ? allow(WORKER_ACTIONS.scaleOut, [inCluster('service', serviceName)], unchanged(props)) : []),
    ...allow(SEND_ACTIONS, keys.flatMap((key) => key?.keyArn ?? []), { StringEquals: { 'kms:ViaService': ['sqs', 'sns'].map((service) => `${service}.${Aws.REGION}.amazonaws.com`) } }),
    ...(collector === undefined ? [] : allow(['xray:PutTraceSegments', 'xray:PutTelemetryRecords'], ['*'])),
    ...(enableExecuteCommand === true ? allow(EXECUTE_COMMAND, ['*']) : []),
  ]);
}

/**
 * What of a service a call may not change beside the number of its tasks, as far as IAM has keys for it. Whether ECS gives a key that a
 * call does not name is not documented: so each holds where it is given, and is then that of the service.
 */
function unchanged({ prefix, vpc, vpcSubnets, enableExecuteCommand }: LongshoreServiceProps): Record<string, unknown> {
  const off = ['enable-ebs-volumes', 'enable-service-connect', 'enable-vpc-lattice', ...(enableExecuteCommand === true ? [] : ['enable-execute-command'])];
  return {
    ArnLikeIfExists: { 'ecs:task-definition': `arn:${Aws.PARTITION}:ecs:${Aws.REGION}:${Aws.ACCOUNT_ID}:task-definition/${prefix}-worker:*` },
    StringEqualsIfExists: Object.fromEntries(off.map((key) => [`ecs:${key}`, 'false'])),
    'ForAllValues:StringEquals': { 'ecs:subnet': vpc.selectSubnets(vpcSubnets).subnetIds },
  };
}

/** The role by which ECS pulls the images, reads the secrets and writes the logs: the task grants it what they need. */
export function addExecutionRole(scope: Construct): Role {
  return roleOfTasks(scope, 'ExecutionRole', []);
}

/** A statement, unless there is nothing that it is about. */
function allow(actions: string[], resources: readonly string[], conditions?: Record<string, unknown>): PolicyStatement[] {
  if (resources.length === 0) return [];
  return [new PolicyStatement({ actions, resources: [...new Set(resources)], ...(conditions ? { conditions } : {}) })];
}

function roleOfTasks(scope: Construct, id: string, statements: PolicyStatement[]): Role {
  return new Role(scope, id, {
    assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com', {
      conditions: {
        StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
        ArnLike: { 'aws:SourceArn': `arn:${Aws.PARTITION}:ecs:${Aws.REGION}:${Aws.ACCOUNT_ID}:*` },
      },
    }),
    ...(statements.length === 0 ? {} : { inlinePolicies: { Task: new PolicyDocument({ statements }) } }),
  });
}
