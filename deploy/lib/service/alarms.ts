// What a person is called for.
import type { Duration } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { addAlarm } from '../alarm.ts';
import { asText, backlog, type Load, measured, type Metric, oldest, type Query, received, type ServiceNames, tasks, total, visible } from '../metrics.ts';
import { ofQueue } from './of_queue.ts';

interface Alarm {
  readonly of: string;
  readonly description: string;
  readonly queries: readonly Query[];
  readonly threshold: number;
  readonly evaluationPeriods: number;
  readonly datapointsToAlarm?: number;
  /** Whether it adds a task as well. */
  readonly grows?: boolean;
}

/** A queue that is watched. */
export interface Watched {
  /** The queue's name in the names of alarms; empty for the first one. */
  readonly name: string;
  readonly load: Load;
  readonly fifo: boolean;
  readonly dlqName: string | undefined;
  readonly ageLimit: Duration;
  readonly stallLimit: Duration;
  readonly retentionLimit: Duration | undefined;
  readonly maxTasks: number;
}

/** What the alarms are about, and what they invoke. */
export interface AlarmsProps {
  readonly prefix: string;
  readonly queues: readonly Watched[];
  readonly names: ServiceNames;
  /** What is told. */
  readonly topics: string[];
  /** The policy that adds a task. */
  readonly oneMore: string;
}

/** Makes them all; each tells the topics when it begins and when it is over. */
export function addAlarms(scope: Construct, { prefix, queues, names, topics, oneMore }: AlarmsProps): void {
  const ofService = [memoryAlarm(names), ...maximumAlarm(queues, names)].map((alarm) => ({ alarm, queue: '' }));
  const all = [...queues.flatMap((queue) => alarmsOfQueue(queue).map((alarm) => ({ alarm, queue: queue.name }))), ...ofService];
  for (const { alarm, queue } of all) {
    const { id, name, section } = ofQueue(alarm.of.replaceAll(/(^|-)(\w)/g, (_, __, letter: string) => letter.toUpperCase()), alarm.of, queue);
    const description = `${alarm.description} docs/alarms.md#${section}`;
    const actions = alarm.grows === true ? [...topics, oneMore] : topics;
    addAlarm(scope, id, { ...alarm, description, name: `${prefix}-${name}`, actions, over: topics });
  }
}

/** Each alarm of one queue. */
export function alarmsOfQueue({ load, fifo, dlqName, ageLimit, stallLimit, retentionLimit, maxTasks }: Watched): Alarm[] {
  const { queueName } = load;
  return [
    ...(dlqName === undefined ? [] : [dlqAlarm(dlqName)]),
    ...(retentionLimit === undefined ? [] : [retentionAlarm(queueName, retentionLimit)]),
    {
      of: 'oldest-message',
      description: 'The oldest message waits for too long.',
      queries: [oldest(queueName)],
      threshold: ageLimit.toSeconds(),
      // The fleet grows without the workers' metrics, too. A FIFO queue looks old by one group that fails, whatever the fleet.
      grows: !fifo,
      evaluationPeriods: 5,
    },
    {
      of: 'stalled',
      description: 'Messages wait and none is received.',
      queries: [visible(queueName), received(queueName), { id: 'stalled', expression: 'IF(visible > 0, 1, 0) - received' }],
      threshold: 1,
      evaluationPeriods: stallLimit.toMinutes(),
    },
    {
      of: 'beyond-capacity',
      description: 'More tasks are needed than the most that there may be.',
      queries: [visible(queueName), measured(queueName), backlog(load)],
      threshold: maxTasks,
      evaluationPeriods: 15,
      datapointsToAlarm: 12,
    },
  ];
}

function dlqAlarm(dlqName: string): Alarm {
  return {
    of: 'dlq-not-empty',
    description: 'Messages failed for good: look at them, mend the cause, move them back.',
    queries: [visible(dlqName)],
    threshold: 1,
    evaluationPeriods: 1,
  };
}

function retentionAlarm(queueName: string, retentionLimit: Duration): Alarm {
  return {
    of: 'near-retention',
    description: 'The oldest message has used most of the queue\'s retention: it is deleted unread when that ends.',
    queries: [oldest(queueName)],
    threshold: retentionLimit.toSeconds(),
    evaluationPeriods: 5,
  };
}

/** Unlike the one on the backlog it needs no metric of the workers. */
export function maximumAlarm(queues: readonly Watched[], names: ServiceNames): Alarm[] {
  const waiting = queues.map(({ load }, index) => visible(load.queueName, `visible${index + 1}`));
  const most = queues[0]?.maxTasks;
  if (most === undefined) return [];
  return [
    {
      of: 'at-maximum',
      description: 'The fleet has been at its maximum, and messages wait.',
      queries: [...waiting, tasks(names), { id: 'full', expression: `IF(${total(waiting)} > 0 AND tasks >= ${asText(most)}, 1, 0)` }],
      threshold: 1,
      evaluationPeriods: 30,
      datapointsToAlarm: 27,
    },
  ];
}

function memoryAlarm({ clusterName, serviceName }: ServiceNames): Alarm {
  const metric: Metric = { namespace: 'AWS/ECS', metricName: 'MemoryUtilization', dimensions: { ClusterName: clusterName, ServiceName: serviceName } };
  return {
    of: 'memory',
    description: 'The tasks are short of memory; at 100 % ECS kills them.',
    queries: [{ id: 'memory', metric, stat: 'Maximum' }],
    threshold: 90,
    evaluationPeriods: 5,
  };
}
