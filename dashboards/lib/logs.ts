// The log of the workers, where Grafana has a data source for it.
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as logs from '@grafana/grafana-foundation-sdk/logs';
import * as loki from '@grafana/grafana-foundation-sdk/loki';
import * as table from '@grafana/grafana-foundation-sdk/table';
import type { Row } from './layout.ts';
import { describe, fixed, type Link } from './panel.ts';
import { traces } from './traces.ts';
import { datasource, text } from './variables.ts';

/** The data source, and the labels that the workers' log has in it. */
export const logVariables = [datasource('loki', 'logs', 'Logs'), text('log_labels', 'Log labels', 'service_name="longshore"')];

const LOKI = { type: 'loki', uid: '${logs}' };
const LOUD = 'level=~"WARN|ERROR"';

/** The fields of a line that stand in a table, by what their columns are called. */
export const FIELDS: Readonly<Record<string, string>> = { level: 'Level', queue: 'Queue', message: 'Message', message_id: 'Message id', reason: 'Reason', trace_id: 'Trace' };
/** What data sources call the time of a line. */
const TIMES = ['Time', 'timestamp', '@timestamp'];

/** The frame of a log, with no query yet. */
export function frame(title: string, description: string): logs.PanelBuilder {
  const builder = new logs.PanelBuilder().title(title).description(description).span(24).height(10);
  return builder.showTime(true).wrapLogMessage(true).enableLogDetails(true).sortOrder(common.LogsSortOrder.Descending);
}

/** The frame of a table of lines, where a trace's id has these links; a panel of logs shows no links of its own. */
export function traceFrame(links: readonly Link[], ...before: readonly { id: string; options: unknown }[]): table.PanelBuilder {
  const description = 'Warnings and errors that name a trace; its id opens the trace.';
  const builder = describe(new table.PanelBuilder(), { title: 'Warnings and errors, with their traces', description, unit: 'short', width: 24 }, 8);
  const columns: Readonly<Record<string, string>> = { ...Object.fromEntries(TIMES.map((name) => [name, 'Time'])), ...FIELDS };
  const names = Object.keys(columns);
  const indexByName = Object.fromEntries(names.map((name, index) => [name, index]));
  const after = [{ id: 'filterFieldsByName', options: { include: { names } } }, { id: 'organize', options: { indexByName, renameByName: columns } }];
  for (const transformation of [...before, ...after]) builder.withTransformation(transformation);
  const value = links.map(({ title, url }) => ({ title, url, targetBlank: true }));
  return builder.colorScheme(fixed('text')).overrideByName('Trace', [{ id: 'links', value }]);
}

/** Warnings and errors of the workers; collapsed, so that nothing is asked where there is no such data source. */
export function logRow(matchers = ''): Row {
  const query = (expression: string) => new loki.DataqueryBuilder().datasource(LOKI).expr(`{\${log_labels}} | ${expression}${matchers}`).refId('A').queryType('range');
  const about = 'Warnings and errors of the workers, from a data source of Loki’s kind; the text box has the labels of their log in it.';
  const fields = Object.keys(FIELDS).map((name) => `${name}="${name}"`);
  // Loki has what it finds in a line as labels, all in one field.
  const asFields = { id: 'extractFields', options: { source: 'labels' } };
  const traced = traceFrame(traces('one'), asFields).datasource(LOKI).targets([query(`json ${fields.join(', ')} | ${LOUD} | trace_id!=""`)]);
  const lines = frame('Warnings and errors', about).datasource(LOKI).targets([query(`json | ${LOUD}`)]);
  return { question: 'What does the log say?', collapsed: 'collapsed', panels: [lines as Builder<Panel>, traced] };
}
