// The metrics that scaling and alarms look at, and the sums over them.
import { Tokenization } from 'aws-cdk-lib';

/** A metric by its place in CloudWatch; a `Metric` of the CDK is one. */
export interface Metric {
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions?: Readonly<Record<string, string>>;
}

/** A metric, or a sum over those before it, by the name that sums call it. */
export type Query = { readonly id: string } & ({ readonly metric: Metric; readonly stat: string } | { readonly expression: string });

/** What a queue's messages are to the fleet. */
export interface Load {
  readonly queueName: string;
  /** Calls of the handler at once in each task. */
  readonly concurrency: number;
  /** Seconds in which the tasks are to start all that waits. */
  readonly backlogTarget: number;
}

/** Seconds between two lines of a worker's metrics, and between two looks at its queue's counts. */
export const LINE_SECONDS = 10;

/** The service by the names that its metrics have. */
export interface ServiceNames {
  readonly clusterName: string;
  readonly serviceName: string;
}

const inSqs = (queue: string, metricName: string): Metric => ({ namespace: 'AWS/SQS', metricName, dimensions: { QueueName: queue } });

/** Messages that wait. */
export const visible = (queue: string, id = 'visible'): Query => ({ id, metric: inSqs(queue, 'ApproximateNumberOfMessagesVisible'), stat: 'Maximum' });
/** Messages that a worker holds. */
export const inflight = (queue: string, id = 'inflight'): Query => ({ id, metric: inSqs(queue, 'ApproximateNumberOfMessagesNotVisible'), stat: 'Maximum' });
/** Messages received. */
export const received = (queue: string): Query => ({ id: 'received', metric: inSqs(queue, 'NumberOfMessagesReceived'), stat: 'Sum' });
/** Seconds of the oldest message's age. */
export const oldest = (queue: string): Query => ({ id: 'oldest', metric: inSqs(queue, 'ApproximateAgeOfOldestMessage'), stat: 'Maximum' });

/** Tasks that the service wants: unlike those that run, it counts those that are starting, which would else be ordered again. */
export function tasks({ clusterName, serviceName }: ServiceNames): Query {
  const dimensions = { ClusterName: clusterName, ServiceName: serviceName };
  return { id: 'tasks', metric: { namespace: 'ECS/ContainerInsights', metricName: 'DesiredTaskCount', dimensions }, stat: 'Maximum' };
}

/** Seconds of work that a message takes, as the workers measure it. */
export function measured(queue: string): Query {
  return { id: 'measured', metric: byWorkers(queue, 'SecondsPerMessage'), stat: 'Average' };
}

const byWorkers = (queue: string, metricName: string): Metric => ({ namespace: 'Longshore', metricName, dimensions: { QueueName: queue } });

/**
 * How many tasks a queue lacks by the counts that the workers ask SQS for themselves, which come within seconds.
 *
 * While messages wait every slot is taken: those in flight are the slots that there are, so that no other metric is needed.
 */
export function missingInBurst({ queueName, concurrency, backlogTarget }: Load): Query[] {
  return [
    { id: 'waiting', metric: byWorkers(queueName, 'MessagesWaiting'), stat: 'Average' },
    { id: 'running', metric: byWorkers(queueName, 'MessagesInFlight'), stat: 'Average' },
    measured(queueName),
    { id: 'slots', expression: `waiting * measured / ${asText(backlogTarget)} - running` },
    { id: 'missing', expression: `IF(waiting > 0 AND running > 0 AND measured > 0, IF(slots > waiting, waiting, slots) / ${asText(concurrency)})` },
  ];
}

/** How many tasks could finish what waits within the target. */
export function backlog({ concurrency, backlogTarget }: Load): Query {
  return { id: 'backlog', expression: `visible * measured / (${asText(concurrency)} * ${asText(backlogTarget)})` };
}

/**
 * How many tasks a queue lacks. No more are needed than have a slot for each message.
 *
 * Missing data is 0 in arithmetic: a minute that lacks one of the metrics has no result instead, so that a late one changes nothing.
 * Nor has one in which nothing waits, which reads the same whether the guide's rule holds beside numbers or not.
 */
export function missingTasks(load: Load, service: ServiceNames): Query[] {
  return [
    visible(load.queueName),
    inflight(load.queueName),
    measured(load.queueName),
    tasks(service),
    backlog(load),
    { id: 'all', expression: `(visible + inflight) / ${asText(load.concurrency)}` },
    { id: 'missing', expression: 'IF(visible > 0 AND measured > 0 AND tasks > 0, IF(backlog > all, all, backlog) - tasks)' },
  ];
}

/**
 * How many tasks beyond the fewest have nothing to do, if each of the others fills its slots of the queue that needs the most of them.
 *
 * A fleet that has the fewest has none to spare, so that a burst finds no minutes in which some were.
 */
export function spareTasks(loads: readonly Load[], service: ServiceNames, minTasks: number): Query[] {
  const suffix = (index: number) => (index === 0 ? '' : String(index + 1));
  const metrics = loads.flatMap(({ queueName }, index) => [visible(queueName, `visible${suffix(index)}`), inflight(queueName, `inflight${suffix(index)}`)]);
  const needed = loads.map(({ concurrency }, index) => `(visible${suffix(index)} + inflight${suffix(index)}) / ${asText(concurrency)}`);
  const most = [...needed, asText(minTasks)].reduce((larger, next) => `IF(${larger} > ${next}, ${larger}, ${next})`);
  const known = loads.map((_, index) => `visible${suffix(index)} >= 0 AND `).join('');
  return [...metrics, tasks(service), { id: 'spare', expression: `IF(${known}tasks > 0, tasks - ${most})` }];
}

/**
 * 1 while messages wait, or have come, and there is no task.
 *
 * SQS may send no metrics for fifteen minutes after six hours of idleness: what else says that messages come wakes the fleet. A worker
 * that prints is a task whatever ECS says, or does not say for a while.
 */
export function waitingForNobody(loads: readonly Load[], service: ServiceNames, arrivals: readonly Metric[]): Query[] {
  const waiting = loads.map(({ queueName }, index) => visible(queueName, index === 0 ? 'visible' : `visible${index + 1}`));
  const coming = arrivals.map((metric, index) => ({ id: `arrivals${index + 1}`, metric, stat: 'Sum' }));
  const alive = { id: 'alive', metric: byWorkers(loads[0]?.queueName ?? '', 'Concurrency'), stat: 'Maximum' };
  return [...waiting, ...coming, tasks(service), alive, { id: 'waiting', expression: `IF(${total([...waiting, ...coming])} > 0, 1, 0) - tasks - alive` }];
}

/** The sum of these as an expression. */
export function total(queries: readonly { readonly id: string }[]): string {
  return queries.map(({ id }) => id).join(' + ');
}

/** A number as text, a token too. */
export function asText(value: number): string {
  return Tokenization.stringifyNumber(value);
}
