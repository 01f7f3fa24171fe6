// What a person is called for.
import type { Construct } from 'constructs';
import { addAlarm } from './alarm.ts';
import { type Metric, neededTasks, oldest, type Query, received, visible } from './metrics.ts';
import type { Names } from './names.ts';
import type { Settings } from './settings.ts';

/** The two APIs, by what CloudWatch calls them. */
export interface Apis {
  readonly restName: string;
  readonly restStage: string;
  readonly httpId: string;
}

interface Alarm {
  readonly of: string;
  readonly description: string;
  readonly queries: readonly Query[];
  readonly threshold: number;
  readonly minutes: number;
}

/** Makes them all; each tells this topic when it begins and when it is over. */
export function addAlarms(scope: Construct, settings: Settings, names: Names, apis: Apis, topic: string): void {
  for (const alarm of alarms(settings, names, apis)) {
    const id = alarm.of.replaceAll(/(^|-)(\w)/g, (_, __, letter: string) => letter.toUpperCase());
    const description = `${alarm.description} docs/operations.md#${alarm.of}`;
    addAlarm(scope, id, { ...alarm, description, name: names.within(`{prefix}-${alarm.of}`), actions: [topic], over: [topic] });
  }
}

/** Each alarm. */
export function alarms(settings: Settings, names: Names, apis: Apis): Alarm[] {
  return [
    {
      of: 'dlq-not-empty',
      description: 'Messages are in the DLQ: they failed for good. Look at them, mend the cause, move them back.',
      queries: [visible(names.dlq)],
      threshold: 1,
      minutes: 1,
    },
    {
      of: 'oldest-message',
      description: 'The oldest message waits for too long. SQS leaves out messages received three times or more.',
      queries: [oldest(names.queue)],
      threshold: settings.AGE_LIMIT,
      minutes: 5,
    },
    {
      of: 'stalled',
      description: 'Messages wait and none is received: no worker runs, none can reach SQS, or all are full of long work.',
      queries: [visible(names.queue), received(names.queue), { id: 'stalled', expression: 'IF(visible > 0 AND FILL(received, 0) < 1, 1, 0)' }],
      threshold: 1,
      minutes: settings.STALL_LIMIT,
    },
    {
      of: 'beyond-capacity',
      description: 'More tasks are needed than MAX_TASKS allows, so the backlog grows.',
      queries: neededTasks(settings, names),
      threshold: settings.MAX_TASKS,
      minutes: 15,
    },
    {
      of: 'api-5xx',
      description: 'An API answered 5xx: messages were not taken. Its access log has the requests.',
      queries: apiFailures(apis),
      threshold: 1,
      minutes: 1,
    },
    {
      of: 'memory',
      description: 'The tasks are short of memory; at 100 % ECS kills them. Lower CONCURRENCY or raise MEMORY.',
      queries: [{ id: 'memory', metric: memory(names), stat: 'Maximum' }],
      threshold: 90,
      minutes: 5,
    },
  ];
}

function apiFailures({ restName, restStage, httpId }: Apis): Query[] {
  const inApi = (metricName: string, dimensions: Record<string, string>): Metric => ({ namespace: 'AWS/ApiGateway', metricName, dimensions });
  return [
    { id: 'rest', metric: inApi('5XXError', { ApiName: restName, Stage: restStage }), stat: 'Sum' },
    { id: 'http', metric: inApi('5xx', { ApiId: httpId, Stage: '$default' }), stat: 'Sum' },
    { id: 'failures', expression: 'FILL(rest, 0) + FILL(http, 0)' },
  ];
}

function memory({ prefix, worker }: Names): Metric {
  return { namespace: 'AWS/ECS', metricName: 'MemoryUtilization', dimensions: { ClusterName: prefix, ServiceName: worker } };
}
