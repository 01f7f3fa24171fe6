// One alarm on a sum of metrics: at or above its threshold for so many minutes.
import { CfnAlarm, type CfnAlarmProps } from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import type { Metric, Query } from './metrics.ts';

/** What makes an alarm. */
export interface AlarmProps {
  readonly name: string;
  /** What it means and who has to act. */
  readonly description: string;
  /** The last one is what is compared. */
  readonly queries: readonly Query[];
  readonly threshold: number;
  /** Seconds of a data point; 60, if absent. */
  readonly period?: number;
  /** Data points that are looked at. */
  readonly evaluationPeriods: number;
  /** How many of them must reach the threshold; all, if absent. */
  readonly datapointsToAlarm?: number;
  readonly actions: string[];
  /** What is told when it is over. */
  readonly over?: string[];
}

/** Makes the alarm; missing data never raises it. */
export function addAlarm(scope: Construct, id: string, props: AlarmProps): void {
  new CfnAlarm(scope, `${id}Alarm`, {
    alarmName: props.name,
    alarmDescription: props.description,
    ...watched(props.queries, props.period ?? 60),
    comparisonOperator: 'GreaterThanOrEqualToThreshold',
    threshold: props.threshold,
    evaluationPeriods: props.evaluationPeriods,
    ...(props.datapointsToAlarm === undefined ? {} : { datapointsToAlarm: props.datapointsToAlarm }),
    treatMissingData: 'notBreaching',
    alarmActions: props.actions,
    ...(props.over ? { okActions: props.over } : {}),
  });
}

/** One metric goes without the list of queries. */
function watched(queries: readonly Query[], period: number): Partial<CfnAlarmProps> {
  const [only, ...more] = queries;
  if (only === undefined || more.length > 0 || !('metric' in only)) return { metrics: queries.map((query, index) => asAlarmQuery(query, period, index === queries.length - 1)) };
  const { namespace, metricName, dimensions } = only.metric;
  return { namespace, metricName, dimensions: named(dimensions), statistic: only.stat, period };
}

const named = (dimensions: Metric['dimensions'] = {}) => Object.entries(dimensions).map(([name, value]) => ({ name, value }));

function asAlarmQuery(query: Query, period: number, returnData: boolean): CfnAlarm.MetricDataQueryProperty {
  const { id } = query;
  if ('expression' in query) return { id, expression: query.expression, returnData };
  const { namespace, metricName, dimensions } = query.metric;
  return { id, metricStat: { metric: { namespace, metricName, dimensions: named(dimensions) }, period, stat: query.stat }, returnData };
}
