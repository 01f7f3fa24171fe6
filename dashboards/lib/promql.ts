// Pieces of PromQL.
//
// Values of variables stand in backticks, escaped by Grafana's `:regex`: there PromQL knows no escapes, so that a name may hold
// quotes, braces, backslashes or a new line. In double quotes Grafana leaves a quote of the name as it is, and the query breaks.

/** The labels of a fleet, as the variables choose them. */
export const FLEETS = 'cluster=~`${cluster:regex}`,namespace=~`${namespace:regex}`,job=~`${job:regex}`';
/** What tells one fleet from another; a series may lack the first two. */
export const FLEET = 'cluster, namespace, job';
/** The labels of a worker. */
export const WORKERS = `${FLEETS},instance=~\`\${instance:regex}\``;
const QUEUE = 'queue=~`${queue:regex}`';
/** The same for metrics of a queue. */
export const QUEUES = `${WORKERS},${QUEUE}`;

/** A metric of the chosen queues. */
export const of = (metric: string, ...matchers: string[]): string => `${metric}{${[QUEUES, ...matchers].join(',')}}`;
/** The same of all workers of the chosen fleets, whichever workers are chosen. */
export const ofAllWorkers = (metric: string, ...matchers: string[]): string => `${metric}{${[FLEETS, QUEUE, ...matchers].join(',')}}`;
/** A gauge of the chosen queues as it was on average since the point before, which a look now and then would not tell. */
export const average = (metric: string): string => `avg_over_time(${of(metric)}[$__rate_interval])`;
/** A metric of the chosen workers that belongs to no queue. */
export const ofWorkers = (metric: string, ...matchers: string[]): string => `${metric}{${[WORKERS, ...matchers].join(',')}}`;

/** Alerts of Longshore that are raised; those of a queue only if it is chosen, and some have no worker. */
export function ofAlerts(...matchers: string[]): string {
  return `ALERTS{${[FLEETS, 'queue=~`${queue:regex}|`', 'alertname=~"Longshore.+"', 'alertstate="firing"', ...matchers].join(',')}}`;
}

/** How fast a counter of the chosen queues grows, a second. */
export const rate = (metric: string, ...matchers: string[]): string => `rate(${of(metric, ...matchers)}[$__rate_interval])`;
/** How much it grew within the time that is shown. */
export const increase = (metric: string, ...matchers: string[]): string => `increase(${of(metric, ...matchers)}[$__range])`;
/**
 * How much it grew between two points, each event in one of them, so that the sum is what happened.
 *
 * An `increase` over more than a step would count an event at several points, and one over a step would miss those between two windows.
 * A counter that starts anew, or that was not there before, counts from 0.
 */
export function grown(metric: string, ...matchers: string[]): string {
  const counter = of(metric, ...matchers);
  return `(${counter} - ${counter} offset $__interval >= 0 or ${counter})`;
}
/** How much it grew over the interval of a rate: for shades of a heat map, since the same event is in several points. */
export const growth = (metric: string, ...matchers: string[]): string => `increase(${of(metric, ...matchers)}[$__rate_interval])`;

/** The sum of all there is. */
export const sum = (expression: string): string => `sum(${expression})`;
/** The largest of all there is. */
export const max = (expression: string): string => `max(${expression})`;
/** A sum for each of these labels. */
export const sumBy = (labels: string, expression: string): string => `sum by (${labels}) (${expression})`;
/** All workers read the same queue, and each tells what it last saw: the largest counts, once for each queue. */
export const onceByQueue = (expression: string): string => `max by (${FLEET}, queue) (${expression})`;
/** Whether polling is paused, for each of these labels, counted once whatever the reasons are. */
export const paused = (labels: string, ...matchers: string[]): string => `max by (${labels}) (${of('longshore_polling_paused', ...matchers)})`;
/** Seconds that all workers of a fleet together need for what is in a queue: all share it, chosen or not. */
export const CATCH_UP = `${onceByQueue(ofAllWorkers('longshore_backlog_seconds'))} / count by (${FLEET}, queue) (${ofAllWorkers('longshore_concurrency')})`;
/** Slots in use on average, for each of these labels: seconds of work a second. */
export const slotsInUse = (labels: string): string => sumBy(labels, rate('longshore_work_seconds_total'));
/** Slots there are, for each of these labels. */
export const slots = (labels: string): string => sumBy(labels, average('longshore_concurrency'));
/** A share, which is 0 where nothing happened rather than nothing at all. */
export const share = (part: string, whole: string): string => `(${part}) / (${whole} > 0) or ${whole} * 0`;

/** A quantile of a histogram of the chosen queues, for each of these labels. */
export function quantile(q: number, metric: string, ...by: string[]): string {
  return `histogram_quantile(${q}, ${sumBy(['le', ...by].join(', '), rate(`${metric}_bucket`))})`;
}
