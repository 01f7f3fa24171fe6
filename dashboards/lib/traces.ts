// The way from a panel to the traces of its time: Grafana's Explore, on a data source of Jaeger's kind.
import { datasource, text } from './variables.ts';
import type { Link } from './panel.ts';

/** The data source, and what the workers are called in it; where there is none of this kind, the link leads to an empty Explore. */
export const traceVariables = [datasource('jaeger', 'traces', 'Traces'), text('service', 'Traced as', 'longshore')];

const SOURCE = { type: 'jaeger', uid: '${traces}' };
const SEARCH = { refId: 'A', datasource: SOURCE, queryType: 'search', service: '${service}' };
const PANES = { traces: { datasource: '${traces}', queries: [SEARCH], range: { from: '${__from}', to: '${__to}' } } };

/** The link itself. */
export const TRACES: Link = { title: 'Traces of this time', url: `/explore?schemaVersion=1&panes=${encoded(PANES)}` };

/** The names of variables stay as they are, for Grafana to fill in. */
function encoded(panes: unknown): string {
  return encodeURIComponent(JSON.stringify(panes)).replaceAll(/%24%7B(\w+)%7D/g, (_, name: string) => `\${${name}}`);
}
