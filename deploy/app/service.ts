// The third stack: the network, and the workers in it.
import { Duration, Fn, type Stack } from 'aws-cdk-lib';
import { ContainerImage, CpuArchitecture } from 'aws-cdk-lib/aws-ecs';
import { httpApiMetric } from '../lib/api/http.ts';
import { restApiMetric } from '../lib/api/rest.ts';
import { type HandlerContainer, LongshoreService, type LongshoreServiceProps, type Outcome, type SettingValue, type WorkQueue } from '../lib/index.ts';
import { restOfShare } from './arithmetic.ts';
import { grantPull } from './images.ts';
import { addNetwork } from './network.ts';
import type { Settings } from './settings.ts';
import { type Shared, sharedOf } from './shared.ts';
import type { Output } from './stacks.ts';

/** Makes them. */
export function addService(stack: Stack, settings: Settings, prefix: string): Record<string, Output> {
  const shared = sharedOf(stack, settings, prefix);
  const network = addNetwork(stack, settings, prefix);
  const service = new LongshoreService(stack, 'Default', {
    prefix,
    queues: [workOf(settings, shared)],
    worker: { image: ContainerImage.fromRegistry(settings.IMAGE) },
    handlers: handlersOf(settings),
    ...(settings.COLLECTOR_IMAGE === undefined ? {} : { collector: ContainerImage.fromRegistry(settings.COLLECTOR_IMAGE) }),
    ...network.place,
    ...sizeOf(stack, settings),
    arrivals: [restApiMetric(`${prefix}-rest-api`, 'requests'), httpApiMetric(Fn.importValue(`${prefix}-http-api-id`), 'requests')],
    alarmTopic: shared.alarms,
    logFilter: settings.LOG_FILTER,
    logRetention: settings.LOG_RETENTION,
    logKey: shared.key,
  });
  grantPull(service);
  network.serve(service);
  return {};
}

function workOf(settings: Settings, { queue, dlq, endings }: Shared): WorkQueue {
  const outcomes = settings.NOTIFY === 'none' ? [] : (settings.NOTIFY.split(',') as Outcome[]);
  return {
    queue,
    deadLetterQueue: dlq,
    concurrency: settings.CONCURRENCY,
    batchSize: settings.BATCH_SIZE,
    visibility: Duration.seconds(settings.VISIBILITY),
    timeout: Duration.seconds(settings.TASK_TIMEOUT),
    ageLimit: Duration.seconds(settings.AGE_LIMIT),
    stallLimit: Duration.minutes(settings.STALL_LIMIT),
    notify: { topic: endings, outcomes },
    ...(settings.HANDLER === undefined ? {} : { handler: JSON.parse(settings.HANDLER) as Record<string, SettingValue> }),
  };
}

function handlersOf({ HANDLER_IMAGE, HANDLER_PORT }: Settings): HandlerContainer[] {
  return HANDLER_IMAGE === undefined ? [] : [{ image: ContainerImage.fromRegistry(HANDLER_IMAGE), port: HANDLER_PORT }];
}

function sizeOf(stack: Stack, settings: Settings): Partial<LongshoreServiceProps> {
  return {
    cpu: settings.CPU,
    memory: settings.MEMORY,
    architecture: CpuArchitecture.of(settings.ARCHITECTURE),
    minTasks: settings.MIN_TASKS,
    maxTasks: settings.MAX_TASKS,
    backlogTarget: Duration.seconds(settings.BACKLOG_TARGET),
    capacityProviderStrategies: [
      { capacityProvider: 'FARGATE', weight: restOfShare(stack, settings.SPOT_SHARE) },
      { capacityProvider: 'FARGATE_SPOT', weight: settings.SPOT_SHARE },
    ],
  };
}
