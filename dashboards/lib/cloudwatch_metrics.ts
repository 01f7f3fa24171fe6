// Queries of CloudWatch: a metric by its place, or a sum over some.
import * as cloudwatch from '@grafana/grafana-foundation-sdk/cloudwatch';
import { CLOUDWATCH } from './panel.ts';

/** A metric with a statistic, under the name that sums call it. */
export interface Metric {
  readonly id: string;
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly statistic: string;
  readonly label: string;
}

/** A sum over metrics. */
export interface Sum {
  readonly id: string;
  readonly expression: string;
  readonly label: string;
}

/** Whether a query is shown, or only reckoned with. */
type Sight = 'shown' | 'hidden';

/** These metrics and sums as the queries of a panel; once there is a sum, the sums alone are shown. */
export function queries(metrics: readonly Metric[], sums: readonly Sum[] = []): cloudwatch.MetricsQueryBuilder[] {
  const sight = sums.length > 0 ? 'hidden' : 'shown';
  const shownSums = sums.map(({ id, expression, label }) => base(id, label, 'shown').metricEditorMode(cloudwatch.MetricEditorMode.Code).expression(expression));
  return [...metrics.map((metric) => query(metric, sight)), ...shownSums].map((builder, index) => builder.refId(String.fromCharCode('A'.charCodeAt(0) + index)));
}

function query({ id, namespace, metricName, dimensions, statistic, label }: Metric, sight: Sight): cloudwatch.MetricsQueryBuilder {
  const builder = base(id, label, sight).metricEditorMode(cloudwatch.MetricEditorMode.Builder).namespace(namespace).metricName(metricName);
  return builder.dimensions({ ...dimensions }).matchExact(true).statistic(statistic);
}

function base(id: string, label: string, sight: Sight): cloudwatch.MetricsQueryBuilder {
  const builder = new cloudwatch.MetricsQueryBuilder().datasource(CLOUDWATCH).id(id).label(label).hide(sight === 'hidden');
  return builder.queryMode(cloudwatch.QueryMode.Metrics).metricQueryType(cloudwatch.MetricQueryType.Search).region('${region}').period('auto').expression('');
}

/** A metric of the queue in SQS. */
export const ofQueue = (id: string, metricName: string, statistic: string, label = metricName): Metric => inSqs('${queue}', id, metricName, statistic, label);
/** Visible messages in its DLQ. */
export const inDlq: Metric = inSqs('${dlq}', 'dead', 'ApproximateNumberOfMessagesVisible', 'Maximum', 'in the DLQ');

function inSqs(name: string, id: string, metricName: string, statistic: string, label: string): Metric {
  return { id, namespace: 'AWS/SQS', metricName, dimensions: { QueueName: name }, statistic, label };
}

/** A metric that the workers print, as all of them together have it. */
export function ofWorkers(id: string, metricName: string, statistic: string, label = metricName): Metric {
  return { id, namespace: 'Longshore', metricName, dimensions: { QueueName: '${queue}' }, statistic, label };
}

const SERVICE = { ClusterName: '${cluster}', ServiceName: '${service}' };
/** How much of its share of the machine the service uses, in per cent. */
export function ofService(id: string, metricName: string, statistic: string, label: string): Metric {
  return { id, namespace: 'AWS/ECS', metricName, dimensions: SERVICE, statistic, label };
}

/** How many tasks it has, which needs Container Insights. */
export function ofTasks(id: string, metricName: string, label: string): Metric {
  return { id, namespace: 'ECS/ContainerInsights', metricName, dimensions: SERVICE, statistic: 'Average', label };
}

/** A metric of the REST API. */
export function ofRest(id: string, metricName: string, statistic: string, label: string): Metric {
  return inApi({ ApiName: '${rest_api}' }, id, metricName, statistic, label);
}

/** A metric of the HTTP API, which has names of its own. */
export function ofHttp(id: string, metricName: string, statistic: string, label: string): Metric {
  return inApi({ ApiId: '${http_api}' }, id, metricName, statistic, label);
}

function inApi(dimensions: Record<string, string>, id: string, metricName: string, statistic: string, label: string): Metric {
  return { id, namespace: 'AWS/ApiGateway', metricName, dimensions, statistic, label };
}
