// The metrics that scaling and alarms look at, and the sums over them.
import { asText } from './arithmetic.ts';
import type { Names } from './names.ts';
import type { Settings } from './settings.ts';

/** A metric, or a sum over those before it, by the name that sums call it. */
export type Query = { readonly id: string } & ({ readonly metric: Metric; readonly stat: string } | { readonly expression: string });

/** A metric by its place in CloudWatch. */
export interface Metric {
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

const inSqs = (queue: string, metricName: string): Metric => ({ namespace: 'AWS/SQS', metricName, dimensions: { QueueName: queue } });

/** Messages that wait. */
export const visible = (queue: string): Query => ({ id: 'visible', metric: inSqs(queue, 'ApproximateNumberOfMessagesVisible'), stat: 'Maximum' });
/** Messages that a worker holds. */
export const inflight = (queue: string): Query => ({ id: 'inflight', metric: inSqs(queue, 'ApproximateNumberOfMessagesNotVisible'), stat: 'Maximum' });
/** Messages received. */
export const received = (queue: string): Query => ({ id: 'received', metric: inSqs(queue, 'NumberOfMessagesReceived'), stat: 'Sum' });
/** Seconds of the oldest message's age. */
export const oldest = (queue: string): Query => ({ id: 'oldest', metric: inSqs(queue, 'ApproximateAgeOfOldestMessage'), stat: 'Maximum' });

/** Tasks that run. */
export function tasks({ prefix, worker }: Names): Query {
  const dimensions = { ClusterName: prefix, ServiceName: worker };
  return { id: 'tasks', metric: { namespace: 'ECS/ContainerInsights', metricName: 'RunningTaskCount', dimensions }, stat: 'Average' };
}

/** Seconds of work that a message takes, as the workers measure it. */
export function measured(queue: string): Query {
  return { id: 'measured', metric: { namespace: 'Longshore', metricName: 'SecondsPerMessage', dimensions: { QueueName: queue } }, stat: 'Average' };
}

/**
 * How many tasks could finish all that is in the queue, running or waiting, within `BACKLOG_TARGET`.
 *
 * While nothing is measured, the last measurement counts, and `WORK_SECONDS` before the first one.
 */
export function neededTasks(settings: Settings, names: Names): Query[] {
  const [slots, target, guess] = [settings.CONCURRENCY, settings.BACKLOG_TARGET, settings.WORK_SECONDS].map(asText);
  return [
    visible(names.queue),
    inflight(names.queue),
    measured(names.queue),
    { id: 'repeated', expression: 'FILL(measured, REPEAT)' },
    { id: 'work', expression: `FILL(repeated, ${guess})` },
    { id: 'needed', expression: `(visible + inflight) * work / (${slots} * ${target})` },
  ];
}

/** The same for each task that runs: above 1 there are too few. */
export function neededPerTask(settings: Settings, names: Names): Query[] {
  return [
    ...neededTasks(settings, names),
    tasks(names),
    { id: 'running', expression: 'FILL(tasks, 0)' },
    { id: 'share', expression: 'needed / IF(running > 0, running, 1)' },
  ];
}

/** 1 while messages wait and no task runs. */
export function waitingForNobody(names: Names): Query[] {
  return [
    visible(names.queue),
    tasks(names),
    { id: 'running', expression: 'FILL(tasks, 0)' },
    { id: 'waiting', expression: 'IF(visible > 0 AND running < 1, 1, 0)' },
  ];
}
