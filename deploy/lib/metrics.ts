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

/** Tasks that the service wants: unlike those that run, it counts those that are starting, which would else be ordered again. */
export function tasks({ prefix, worker }: Names): Query {
  const dimensions = { ClusterName: prefix, ServiceName: worker };
  return { id: 'tasks', metric: { namespace: 'ECS/ContainerInsights', metricName: 'DesiredTaskCount', dimensions }, stat: 'Maximum' };
}

/** Seconds of work that a message takes, as the workers measure it. */
export function measured(queue: string): Query {
  return { id: 'measured', metric: { namespace: 'Longshore', metricName: 'SecondsPerMessage', dimensions: { QueueName: queue } }, stat: 'Average' };
}

/** The two APIs, by what CloudWatch calls them. */
export interface Apis {
  readonly restName: string;
  readonly httpId: string;
}

/** A metric of each API, which they call differently. */
export function ofApis({ restName, httpId }: Apis, inRest: string, inHttp: string): Query[] {
  const inApi = (metricName: string, dimensions: Record<string, string>): Metric => ({ namespace: 'AWS/ApiGateway', metricName, dimensions });
  return [
    { id: 'rest', metric: inApi(inRest, { ApiName: restName }), stat: 'Sum' },
    { id: 'http', metric: inApi(inHttp, { ApiId: httpId }), stat: 'Sum' },
  ];
}

/** How many tasks could finish what waits within `BACKLOG_TARGET`. */
export function backlog({ CONCURRENCY, BACKLOG_TARGET }: Settings): Query {
  return { id: 'backlog', expression: `visible * measured / (${asText(CONCURRENCY)} * ${asText(BACKLOG_TARGET)})` };
}

/**
 * How many tasks are missing. No more are needed than have a slot for each message.
 *
 * Missing data is 0 in arithmetic: a minute that lacks one of the metrics has no result instead, so that a late one changes nothing.
 * Nor has one in which nothing waits, which reads the same whether the guide's rule holds beside numbers or not.
 */
export function missingTasks(settings: Settings, names: Names): Query[] {
  return [
    visible(names.queue),
    inflight(names.queue),
    measured(names.queue),
    tasks(names),
    backlog(settings),
    { id: 'all', expression: `(visible + inflight) / ${asText(settings.CONCURRENCY)}` },
    { id: 'missing', expression: 'IF(visible > 0 AND measured > 0 AND tasks > 0, IF(backlog > all, all, backlog) - tasks)' },
  ];
}

/** How many tasks have nothing to do, if each of the others fills its slots. */
export function spareTasks({ CONCURRENCY }: Settings, names: Names): Query[] {
  const expression = `IF(visible >= 0 AND tasks > 0, tasks - (visible + inflight) / ${asText(CONCURRENCY)})`;
  return [visible(names.queue), inflight(names.queue), tasks(names), { id: 'spare', expression }];
}

/**
 * 1 while messages wait, or have come, and there is no task.
 *
 * SQS may send no metrics for fifteen minutes after six hours of idleness: the requests to the APIs wake the fleet.
 */
export function waitingForNobody(names: Names, apis: Apis): Query[] {
  return [
    visible(names.queue),
    ...ofApis(apis, 'Count', 'Count'),
    tasks(names),
    { id: 'waiting', expression: 'IF(visible + rest + http > 0, 1, 0) - tasks' },
  ];
}
