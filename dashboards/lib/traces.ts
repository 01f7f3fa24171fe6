// The way to the traces, in Grafana's Explore: those of the time that a panel shows, or the one that a line of the log names.
//
// Jaeger, Tempo and X-Ray are asked in different words, so each has a variable with its data source and a link of its own; where
// Grafana has no data source of a kind, its link leads to an empty Explore.
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { VariableModel } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Link } from './panel.ts';
import { datasource, text } from './variables.ts';

/** Which traces: of all queues, of the queue that is chosen, or the one whose id stands in a cell. */
type Wanted = 'all' | 'queue' | 'one';

/** A kind of data source: what it is called, its type and its variable, and what it is asked for. */
interface Kind {
  readonly title: string;
  readonly type: string;
  readonly variable: string;
  readonly asks: Readonly<Record<Wanted, Readonly<Record<string, string>>>>;
}

const TITLES: Readonly<Record<Wanted, string>> = { all: 'Traces of this time', queue: 'Traces of this queue', one: 'Trace' };
const ID = '${__value.raw}';
const SERVICE = '${service:percentencode}';

const JAEGER: Kind = {
  title: 'Jaeger', type: 'jaeger', variable: 'jaeger',
  asks: {
    all: { queryType: 'search', service: SERVICE },
    queue: { queryType: 'search', service: SERVICE, tags: 'queue="${queue}"' },
    // Without a type a query is an id.
    one: { query: ID },
  },
};

const TEMPO: Kind = {
  title: 'Tempo', type: 'tempo', variable: 'tempo',
  asks: {
    all: { queryType: 'traceql', query: `{ resource.service.name = "${SERVICE}" }` },
    queue: { queryType: 'traceql', query: `{ resource.service.name = "${SERVICE}" && span.queue = "\${queue}" }` },
    one: { queryType: 'traceql', query: ID },
  },
};

/**
 * X-Ray, where this is the queue's name in SQS and this the region.
 *
 * The collector's exporter names a segment after its span unless the span is a server's, and makes no attribute searchable by
 * default: a queue is found by the name of its spans, and all queues by nothing.
 */
function xRay(inSqs: string, region: string): Kind {
  const asks = (queryType: string, query: string) => ({ queryMode: 'X-Ray', queryType, query, region });
  return {
    title: 'X-Ray', type: 'grafana-x-ray-datasource', variable: 'xray',
    asks: {
      all: asks('getTraceSummaries', ''),
      queue: asks('getTraceSummaries', `service("process ${inSqs}")`),
      one: asks('getTrace', ID),
    },
  };
}

const KINDS = [JAEGER, TEMPO, xRay('${in_sqs}', 'default')];
/** X-Ray alone, as the CloudWatch dashboard knows it. */
const ON_AWS = [xRay('${queue}', '${region}')];

const sources = (kinds: readonly Kind[]): Builder<VariableModel>[] => kinds.map(({ type, variable, title }) => datasource(type, variable, title));

/** The data sources, and what the workers are called in them. */
export const traceVariables = [...sources(KINDS), text('service', 'Traced as', 'longshore')];
export const traceVariablesOnAws = sources(ON_AWS);

/** A link for each kind. */
export const traces = (wanted: Wanted): Link[] => KINDS.map((kind) => link(kind, wanted));
export const tracesOnAws = (wanted: Wanted): Link[] => ON_AWS.map((kind) => link(kind, wanted));

function link({ title, type, variable, asks }: Kind, wanted: Wanted): Link {
  const uid = `\${${variable}}`;
  const panes = { traces: { datasource: uid, queries: [{ refId: 'A', datasource: { type, uid }, ...asks[wanted] }], range: { from: '${__from}', to: '${__to}' } } };
  return { title: `${TITLES[wanted]} in ${title}`, url: `/explore?schemaVersion=1&panes=${encoded(panes)}` };
}

/** The names of variables stay as they are, for Grafana to fill in. */
function encoded(panes: unknown): string {
  return encodeURIComponent(JSON.stringify(panes)).replaceAll(/%24%7B([\w.]+)(?:%3A(\w+))?%7D/g, (_, name: string, format?: string) => `\${${name}${format === undefined ? '' : `:${format}`}}`);
}
