// One alarm on a sum of metrics: at or above its threshold for so many minutes.
import { CfnAlarm, type CfnAlarmProps } from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import type { Metric, Query } from './metrics.ts';

const PERIOD_SECONDS = 60;

/** What makes an alarm. */
export interface AlarmProps {
  readonly name: string;
  /** What it means and who has to act. */
  readonly description: string;
  /** The last one is what is compared. */
  readonly queries: readonly Query[];
  readonly threshold: number;
  readonly minutes: number;
  readonly actions: string[];
  /** What is told when it is over. */
  readonly over?: string[];
}

/** Makes the alarm; missing data never raises it. */
export function addAlarm(scope: Construct, id: string, props: AlarmProps): void {
  new CfnAlarm(scope, `${id}Alarm`, {
    alarmName: props.name,
    alarmDescription: props.description,
    ...watched(props.queries),
    comparisonOperator: 'GreaterThanOrEqualToThreshold',
    threshold: props.threshold,
    evaluationPeriods: props.minutes,
    treatMissingData: 'notBreaching',
    alarmActions: props.actions,
    ...(props.over ? { okActions: props.over } : {}),
  });
}

/** One metric goes without the list of queries. */
function watched(queries: readonly Query[]): Partial<CfnAlarmProps> {
  const [only, ...more] = queries;
  if (only === undefined || more.length > 0 || !('metric' in only)) return { metrics: queries.map(asAlarmQuery) };
  const { namespace, metricName, dimensions } = only.metric;
  return { namespace, metricName, dimensions: named(dimensions), statistic: only.stat, period: PERIOD_SECONDS };
}

const named = (dimensions: Metric['dimensions']) => Object.entries(dimensions).map(([name, value]) => ({ name, value }));

function asAlarmQuery(query: Query, index: number, all: readonly Query[]): CfnAlarm.MetricDataQueryProperty {
  const { id } = query;
  const returnData = index === all.length - 1;
  if ('expression' in query) return { id, expression: query.expression, returnData };
  const { namespace, metricName, dimensions } = query.metric;
  return { id, metricStat: { metric: { namespace, metricName, dimensions: named(dimensions) }, period: PERIOD_SECONDS, stat: query.stat }, returnData };
}
