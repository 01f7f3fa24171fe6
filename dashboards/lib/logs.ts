// The log of the workers, where Grafana has a data source for it.
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as logs from '@grafana/grafana-foundation-sdk/logs';
import * as loki from '@grafana/grafana-foundation-sdk/loki';
import type { Row } from './layout.ts';
import { datasource, text } from './variables.ts';

/** The data source, and the labels that the workers' log has in it. */
export const logVariables = [datasource('loki', 'logs', 'Logs'), text('log_labels', 'Log labels', 'service_name="longshore"')];

const LOKI = { type: 'loki', uid: '${logs}' };

/** The frame of a log, with no query yet. */
export function frame(title: string, description: string): logs.PanelBuilder {
  const builder = new logs.PanelBuilder().title(title).description(description).span(24).height(10);
  return builder.showTime(true).wrapLogMessage(true).enableLogDetails(true).sortOrder(common.LogsSortOrder.Descending);
}

/** Warnings and errors of the workers; collapsed, so that nothing is asked where there is no such data source. */
export function logRow(matchers = ''): Row {
  const query = new loki.DataqueryBuilder().datasource(LOKI).expr(`{\${log_labels}} | json | level=~"WARN|ERROR"${matchers}`).refId('A').queryType('range');
  const about = 'Warnings and errors of the workers, from a data source of Loki’s kind; the text box has the labels of their log in it.';
  return { question: 'What does the log say?', collapsed: 'collapsed', panels: [frame('Warnings and errors', about).datasource(LOKI).targets([query]) as Builder<Panel>] };
}
