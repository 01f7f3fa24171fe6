// The third stack: the network, and the workers in it.
import { Duration, Fn, type Stack, Token } from 'aws-cdk-lib';
import type { IVpc } from 'aws-cdk-lib/aws-ec2';
import { Cluster, ContainerImage, CpuArchitecture } from 'aws-cdk-lib/aws-ecs';
import type { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { httpApiMetric } from '../lib/api/http.ts';
import { restApiMetric } from '../lib/api/rest.ts';
import { type HandlerContainer, LongshoreService, type LongshoreServiceProps, type Outcome, type ScaleOutBy, type SettingValue, type WorkQueue } from '../lib/index.ts';
import { mostOfDays, restOfShare } from './arithmetic.ts';
import { containerOf } from './containers.ts';
import { type Details, detailsOf } from './details.ts';
import { addEcsRole } from './ecs_role.ts';
import { addPairRules, addSizeRules } from './fargate.ts';
import { grantPull } from './images.ts';
import { addNetwork } from './network.ts';
import type { Settings } from './settings.ts';
import { queueOf, type Shared, sharedOf } from './shared.ts';
import type { Output } from './stacks.ts';
import { grantDetails, taskOf } from './task.ts';

/** Makes them. */
export function addService(stack: Stack, settings: Settings, prefix: string): Record<string, Output> {
  const shared = sharedOf(stack, settings, prefix);
  const details = detailsOf(settings);
  const network = addNetwork(stack, settings, prefix);
  const service = new LongshoreService(stack, 'Default', {
    prefix,
    queues: [workOf(stack, settings, shared), ...moreQueues(stack, settings, details)],
    worker: { image: ContainerImage.fromRegistry(settings.IMAGE), ...containerOf(stack, 'Worker', details.worker) },
    handlers: handlersOf(stack, settings, details),
    ...taskOf(details),
    ...(settings.COLLECTOR_IMAGE === undefined ? {} : { collector: ContainerImage.fromRegistry(settings.COLLECTOR_IMAGE) }),
    ...network.place,
    ...sizeOf(settings),
    ...clusterOf(stack, settings, details, network.place.vpc),
    arrivals: arrivalsOf(settings, prefix),
    alarmTopic: shared.alarms,
    logFilter: settings.LOG_FILTER,
    logRetention: settings.LOG_RETENTION,
    logKey: shared.key,
  });
  if (Token.isUnresolved(settings.CPU)) addPairRules(stack);
  if (Token.isUnresolved(settings.MAX_TASKS)) addSizeRules(stack);
  addEcsRole(stack, service, settings);
  grantPull(service, settings);
  grantDetails(service, details);
  network.serve(service);
  return {};
}

/** The requests to the APIs that there are. */
function arrivalsOf({ APIS }: Settings, prefix: string): Metric[] {
  const rest = () => restApiMetric(`${prefix}-rest-api`, 'requests');
  const http = () => httpApiMetric(Fn.importValue(`${prefix}-http-api-id`), 'requests');
  return { both: () => [rest(), http()], rest: () => [rest()], http: () => [http()], none: () => [] }[APIS]();
}

function workOf(stack: Stack, settings: Settings, { queue, dlq, endings }: Shared): WorkQueue {
  // Nothing is known of the retention of a queue that was there before.
  const isOurs = detailsOf(settings).existing?.queue === undefined;
  const outcomes = settings.NOTIFY === 'none' ? [] : (settings.NOTIFY.split(',') as Outcome[]);
  return {
    queue,
    ...(dlq === undefined ? {} : { deadLetterQueue: dlq }),
    concurrency: settings.CONCURRENCY,
    batchSize: settings.BATCH_SIZE,
    visibility: Duration.seconds(settings.VISIBILITY),
    timeout: Duration.seconds(settings.TASK_TIMEOUT),
    ageLimit: Duration.seconds(settings.AGE_LIMIT),
    stallLimit: Duration.minutes(settings.STALL_LIMIT),
    ...(isOurs ? { retentionLimit: Duration.seconds(mostOfDays(stack, settings.QUEUE_RETENTION)) } : {}),
    notify: { topic: endings, outcomes },
    ...(settings.HANDLER === undefined ? {} : { handler: JSON.parse(settings.HANDLER) as Record<string, SettingValue> }),
  };
}

/** Queues that were there before, for the same workers. */
function moreQueues(stack: Stack, settings: Settings, { queues = [] }: Details): WorkQueue[] {
  return queues.map(({ name = '', queue = '', dlq, key, handler, ...numbers }) => ({
    name,
    queue: queueOf(stack, `Queue-${name}`, queue, key),
    ...(dlq === undefined ? {} : { deadLetterQueue: queueOf(stack, `Dlq-${name}`, dlq, key) }),
    ...(handler === undefined ? {} : { handler: handler as Record<string, SettingValue> }),
    concurrency: numbers.concurrency ?? settings.CONCURRENCY,
    batchSize: numbers.batchSize ?? settings.BATCH_SIZE,
    visibility: Duration.seconds(numbers.visibility ?? settings.VISIBILITY),
    timeout: Duration.seconds(numbers.timeout ?? settings.TASK_TIMEOUT),
    ageLimit: Duration.seconds(settings.AGE_LIMIT),
    stallLimit: Duration.minutes(settings.STALL_LIMIT),
  }));
}

function handlersOf(stack: Stack, { HANDLER_IMAGE, HANDLER_PORT }: Settings, { handler }: Details): HandlerContainer[] {
  if (HANDLER_IMAGE === undefined) return [];
  return [{ image: ContainerImage.fromRegistry(HANDLER_IMAGE), port: HANDLER_PORT, ...containerOf(stack, 'Handler', handler) }];
}

function sizeOf(settings: Settings): Partial<LongshoreServiceProps> {
  return {
    cpu: settings.CPU,
    memory: settings.MEMORY,
    architecture: CpuArchitecture.of(settings.ARCHITECTURE),
    minTasks: settings.MIN_TASKS,
    maxTasks: settings.MAX_TASKS,
    backlogTarget: Duration.seconds(settings.BACKLOG_TARGET),
    scaleOutBy: settings.SCALE_OUT as ScaleOutBy,
  };
}

/** A cluster that was there before is asked for its capacity providers only when the settings want Spot. */
function clusterOf(stack: Stack, settings: Settings, { existing: { cluster } = {} }: Details, vpc: IVpc): Partial<LongshoreServiceProps> {
  const capacityProviderStrategies = [
    { capacityProvider: 'FARGATE', weight: restOfShare(stack, settings.SPOT_SHARE) },
    { capacityProvider: 'FARGATE_SPOT', weight: settings.SPOT_SHARE },
  ];
  if (cluster === undefined) return { capacityProviderStrategies };
  const found = Cluster.fromClusterAttributes(stack, 'SharedCluster', { clusterName: cluster, vpc });
  return { cluster: found, ...(settings.SPOT_SHARE === 0 ? {} : { capacityProviderStrategies }) };
}
