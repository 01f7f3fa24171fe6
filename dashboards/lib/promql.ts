// Pieces of PromQL.
//
// Values of variables stand in backticks, escaped by Grafana's `:regex`: there PromQL knows no escapes, so that a name may hold
// quotes, braces, backslashes or a new line. In double quotes Grafana leaves a quote of the name as it is, and the query breaks.

/** The labels of a worker, as the variables choose them. */
export const WORKERS = 'job=~`${job:regex}`,instance=~`${instance:regex}`';
/** The same for metrics of a queue. */
export const QUEUES = `${WORKERS},queue=~\`\${queue:regex}\``;

/** A metric of the chosen queues. */
export const of = (metric: string, ...matchers: string[]): string => `${metric}{${[QUEUES, ...matchers].join(',')}}`;
/** A gauge of the chosen queues as it was on average since the point before, which a look now and then would not tell. */
export const average = (metric: string): string => `avg_over_time(${of(metric)}[$__rate_interval])`;
/** A metric of the chosen workers that belongs to no queue. */
export const ofWorkers = (metric: string, ...matchers: string[]): string => `${metric}{${[WORKERS, ...matchers].join(',')}}`;

/** How fast a counter of the chosen queues grows, a second. */
export const rate = (metric: string, ...matchers: string[]): string => `rate(${of(metric, ...matchers)}[$__rate_interval])`;
/** How much it grew within the time that is shown. */
export const increase = (metric: string, ...matchers: string[]): string => `increase(${of(metric, ...matchers)}[$__range])`;
/** How much it grew since the point before. */
export const growth = (metric: string, ...matchers: string[]): string => `increase(${of(metric, ...matchers)}[$__rate_interval])`;

/** The sum of all there is. */
export const sum = (expression: string): string => `sum(${expression})`;
/** The largest of all there is. */
export const max = (expression: string): string => `max(${expression})`;
/** A sum for each of these labels. */
export const sumBy = (labels: string, expression: string): string => `sum by (${labels}) (${expression})`;
/** All workers read the same queue, and each tells what it last saw: the largest counts, once for each queue. */
export const onceByQueue = (expression: string): string => `max by (job, queue) (${expression})`;
/** A share, which is 0 where nothing happened rather than nothing at all. */
export const share = (part: string, whole: string): string => `(${part}) / (${whole} > 0) or ${whole} * 0`;

/** A quantile of a histogram of the chosen queues, for each of these labels. */
export function quantile(q: number, metric: string, ...by: string[]): string {
  return `histogram_quantile(${q}, ${sumBy(['le', ...by].join(', '), rate(`${metric}_bucket`))})`;
}
