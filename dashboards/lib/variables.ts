// What the reader of a dashboard chooses.
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { VariableModel } from '@grafana/grafana-foundation-sdk/dashboard';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import { PROMETHEUS } from './panel.ts';
import { FLEETS, QUEUES, WORKERS } from './promql.ts';

/**
 * Every value, rather than a list of all: that of a large fleet is longer than a query may be.
 *
 * The flag is for names with a new line in them, which a plain dot leaves out before Prometheus 3.
 */
export const ALL = '(?s:.+)';
/** The same where a series may lack the label. */
export const ALL_OR_NONE = '(?s:.*)';

/** How many a variable takes. */
type Takes = 'one' | 'many' | 'many or none';

/** A data source of a kind; unless it is told otherwise, that of every panel. */
export function datasource(type: string, name = 'datasource', label = 'Data source'): Builder<VariableModel> {
  return new dashboard.DatasourceVariableBuilder(name).label(label).type(type);
}

/** The values of a label of Prometheus. */
export function labels(name: string, label: string, query: string, takes: Takes): dashboard.QueryVariableBuilder {
  const builder = new dashboard.QueryVariableBuilder(name).label(label).datasource(PROMETHEUS);
  builder.query({ query, refId: name }).definition(query);
  builder.refresh(dashboard.VariableRefresh.OnTimeRangeChanged).sort(dashboard.VariableSort.AlphabeticalCaseInsensitiveAsc);
  if (takes === 'one') return builder;
  return builder.multi(true).includeAll(true).allValue(takes === 'many' ? ALL : ALL_OR_NONE).current({ text: 'All', value: '$__all' });
}

/** A text that the reader may change. */
export function text(name: string, label: string, value: string): Builder<VariableModel> {
  return new dashboard.TextBoxVariableBuilder(name).label(label).defaultValue(value).current({ text: value, value });
}

const cluster = labels('cluster', 'Cluster', 'label_values(longshore_build_info, cluster)', 'many or none');
const namespace = labels('namespace', 'Namespace', 'label_values(longshore_build_info{cluster=~`${cluster:regex}`}, namespace)', 'many or none');
const job = labels('job', 'Job', 'label_values(longshore_build_info{cluster=~`${cluster:regex}`,namespace=~`${namespace:regex}`}, job)', 'many');
const instance = labels('instance', 'Worker', `label_values(longshore_build_info{${FLEETS}}, instance)`, 'many');
const queuesOf = `label_values(longshore_concurrency{${WORKERS}}, queue)`;

/** The name in SQS of the one queue that is chosen, which nobody need choose. */
export const inSqs = labels('in_sqs', 'Name in SQS', `label_values(messaging_client_consumed_messages_total{${QUEUES}}, messaging_destination_name)`, 'one')
  .hide(dashboard.VariableHide.HideVariable);

/** Workers and their queues. */
export const workers = (queues: Takes): Builder<VariableModel>[] => [
  datasource('prometheus'), cluster, namespace, job, instance, labels('queue', 'Queue', queuesOf, queues),
];
