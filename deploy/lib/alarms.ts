// What a person is called for.
import type { Construct } from 'constructs';
import { addAlarm } from './alarm.ts';
import { type Apis, backlog, measured, type Metric, ofApis, oldest, type Query, received, visible } from './metrics.ts';
import type { Names } from './names.ts';
import type { Settings } from './settings.ts';

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

/** What the alarms are about, and what they invoke. */
export interface AlarmsProps {
  readonly settings: Settings;
  readonly names: Names;
  readonly apis: Apis;
  readonly topic: string;
  /** The policy that adds a task. */
  readonly oneMore: string;
}

/** Makes them all; each tells this topic when it begins and when it is over. */
export function addAlarms(scope: Construct, { settings, names, apis, topic, oneMore }: AlarmsProps): void {
  for (const alarm of alarms(settings, names, apis)) {
    const id = alarm.of.replaceAll(/(^|-)(\w)/g, (_, __, letter: string) => letter.toUpperCase());
    const description = `${alarm.description} docs/operations.md#${alarm.of}`;
    const actions = alarm.grows === true ? [topic, oneMore] : [topic];
    addAlarm(scope, id, { ...alarm, description, name: names.within(`{prefix}-${alarm.of}`), actions, over: [topic] });
  }
}

/** Each alarm. */
export function alarms(settings: Settings, names: Names, apis: Apis): Alarm[] {
  return [
    {
      of: 'dlq-not-empty',
      description: 'Messages failed for good: look at them, mend the cause, move them back.',
      queries: [visible(names.dlq)],
      threshold: 1,
      evaluationPeriods: 1,
    },
    {
      of: 'oldest-message',
      description: 'The oldest message waits for too long.',
      queries: [oldest(names.queue)],
      threshold: settings.AGE_LIMIT,
      // The fleet grows without the workers' metrics, too. A FIFO queue looks old by one group that fails, whatever the fleet.
      grows: settings.FIFO === 'no',
      evaluationPeriods: 5,
    },
    {
      of: 'stalled',
      description: 'Messages wait and none is received.',
      queries: [visible(names.queue), received(names.queue), { id: 'stalled', expression: 'IF(visible > 0, 1, 0) - received' }],
      threshold: 1,
      evaluationPeriods: settings.STALL_LIMIT,
    },
    {
      of: 'beyond-capacity',
      description: 'More tasks are needed than MAX_TASKS allows.',
      queries: [visible(names.queue), measured(names.queue), backlog(settings)],
      threshold: settings.MAX_TASKS,
      evaluationPeriods: 15,
      datapointsToAlarm: 12,
    },
    {
      of: 'api-5xx',
      description: 'An API answered 5xx again and again: messages were not taken.',
      queries: [...ofApis(apis, '5XXError', '5xx'), { id: 'failures', expression: 'rest + http' }],
      threshold: 1,
      evaluationPeriods: 5,
      datapointsToAlarm: 3,
    },
    {
      of: 'memory',
      description: 'The tasks are short of memory; at 100 % ECS kills them.',
      queries: [{ id: 'memory', metric: memory(names), stat: 'Maximum' }],
      threshold: 90,
      evaluationPeriods: 5,
    },
  ];
}

function memory({ prefix, worker }: Names): Metric {
  return { namespace: 'AWS/ECS', metricName: 'MemoryUtilization', dimensions: { ClusterName: prefix, ServiceName: worker } };
}
