// The links to traces, filled in as Grafana does it and opened as its Explore does: each asks its kind of data source in its own words.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ALL, named, type Panel } from './panels_of.ts';

const ID = '5e8a2769e038ec6907fc98641e8f9e4d';
const CHOSEN: Readonly<Record<string, string>> = {
  jaeger: 'uid-of-jaeger', tempo: 'uid-of-tempo', xray: 'uid-of-x-ray',
  service: 'shop & worker', queue: 'orders', in_sqs: 'orders-prod.fifo', region: 'eu-central-1',
  __from: '1700000000000', __to: '1700003600000', '__value.raw': ID,
};
/** What each kind is asked for: the service's traces, one queue's, and one by its id. */
const ASKED: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'Traces of this time in Jaeger': { queryType: 'search', service: 'shop & worker' },
  'Traces of this time in Tempo': { queryType: 'traceql', query: '{ resource.service.name = "shop & worker" }' },
  'Traces of this time in X-Ray': { queryMode: 'X-Ray', queryType: 'getTraceSummaries', query: '', region: 'default' },
  'Traces of this queue in Jaeger': { queryType: 'search', service: 'shop & worker', tags: 'queue="orders"' },
  'Traces of this queue in Tempo': { queryType: 'traceql', query: '{ resource.service.name = "shop & worker" && span.queue = "orders" }' },
  'Traces of this queue in X-Ray': { queryMode: 'X-Ray', queryType: 'getTraceSummaries', query: 'service("process orders-prod.fifo")', region: 'default' },
  'Trace in Jaeger': { query: ID },
  'Trace in Tempo': { queryType: 'traceql', query: ID },
  'Trace in X-Ray': { queryMode: 'X-Ray', queryType: 'getTrace', query: ID, region: 'default' },
};
/** The CloudWatch dashboard knows the queue by its name in SQS, and the region. */
const ASKED_ON_AWS: typeof ASKED = {
  'Traces of this queue in X-Ray': { queryMode: 'X-Ray', queryType: 'getTraceSummaries', query: 'service("process orders")', region: 'eu-central-1' },
  'Trace in X-Ray': { queryMode: 'X-Ray', queryType: 'getTrace', query: ID, region: 'eu-central-1' },
};
const SOURCES: Readonly<Record<string, { type: string; uid: string }>> = {
  'Jaeger': { type: 'jaeger', uid: 'uid-of-jaeger' },
  'Tempo': { type: 'tempo', uid: 'uid-of-tempo' },
  'X-Ray': { type: 'grafana-x-ray-datasource', uid: 'uid-of-x-ray' },
};

interface Link {
  readonly title: string;
  readonly url: string;
}

/** The links of a panel's data, those of single columns among them. */
function linksOf({ fieldConfig: { defaults, overrides } }: Panel): Link[] {
  const ofColumns = overrides.flatMap(({ properties }) => properties).filter(({ id }) => id === 'links');
  return [...((defaults as { links?: Link[] }).links ?? []), ...ofColumns.flatMap(({ value }) => value as Link[])].filter(({ url }) => url.startsWith('/explore'));
}

/** The address as it is opened: a value is put in as it is unless the address asks for it in percents. */
function opened(url: string): URLSearchParams {
  const filled = url.replaceAll(/\$\{([\w.]+)(?::(\w+))?\}/g, (_, name: string, format?: string) => {
    const value = CHOSEN[name] ?? assert.fail(`nobody has chosen ${name}`);
    return format === 'percentencode' ? encodeURIComponent(value) : value;
  });
  return new URL(filled, 'http://grafana').searchParams;
}

it('each link opens Explore with the query of its kind, on the chosen data source, for the time that is shown', () => {
  for (const dashboard of ALL) {
    const asked = dashboard.file === 'cloudwatch.json' ? ASKED_ON_AWS : ASKED;
    for (const { title, url } of named([dashboard]).flatMap(({ panel }) => linksOf(panel))) {
      const parameters = opened(url);
      assert.deepEqual([...parameters.keys()], ['schemaVersion', 'panes']);
      assert.equal(parameters.get('schemaVersion'), '1');
      const datasource = SOURCES[title.split(' in ')[1] ?? ''] ?? assert.fail(title);
      const query = { refId: 'A', datasource, ...(asked[title] ?? assert.fail(`${dashboard.file}: ${title}`)) };
      const pane = { datasource: datasource.uid, queries: [query], range: { from: '1700000000000', to: '1700003600000' } };
      assert.deepEqual(JSON.parse(parameters.get('panes') ?? ''), { traces: pane }, `${dashboard.file}: ${title}`);
    }
  }
});

it('handling times and failures lead to the traces of their time, and a line of the log to its own', () => {
  const found = named(ALL).flatMap(({ name, panel }) => linksOf(panel).map(({ title }) => `${name}: ${title}`));
  const ofEach = (panel: string, wanted: string, kinds = Object.keys(SOURCES)) => kinds.map((kind) => `${panel}: ${wanted} in ${kind}`);
  const expected = [
    ofEach('queue.json: Handling time', 'Traces of this queue'),
    ofEach('queue.json: Failures, by cause', 'Traces of this queue'),
    ofEach('handlers.json: Handling time, 99 % by kind', 'Traces of this time'),
    ofEach('handlers.json: Failures, by cause', 'Traces of this time'),
    ofEach('cloudwatch.json: Slot time of a message', 'Traces of this queue', ['X-Ray']),
    ofEach('cloudwatch.json: Warnings and errors, with their traces', 'Trace', ['X-Ray']),
    ...['fleet', 'queue'].map((file) => ofEach(`${file}.json: Warnings and errors, with their traces`, 'Trace')),
  ].flat();
  assert.deepEqual(found.sort(), expected.sort());
});

it('each data source of traces is chosen by a variable of its type', () => {
  for (const { file, templating } of ALL) {
    const types = Object.fromEntries(templating.list.filter(({ type }) => type === 'datasource').map(({ name, query }) => [name, query]));
    const { datasource: _, logs: __, ...ofTraces } = types;
    const all = { jaeger: 'jaeger', tempo: 'tempo', xray: 'grafana-x-ray-datasource' };
    assert.deepEqual(ofTraces, file === 'cloudwatch.json' ? { xray: all.xray } : all, file);
  }
});

it('the table of lines asks for every field that it has a column for, and for lines with a trace alone', () => {
  for (const { name, panel } of named(ALL).filter(({ panel: { title } }) => title === 'Warnings and errors, with their traces')) {
    const [{ expr, expression = expr }] = panel.targets as [Panel['targets'][number]];
    assert.match(expression, /trace_id!=""|ispresent\(trace_id\)/, name);
    const renamed = panel.transformations?.flatMap(({ options: { renameByName } }) => Object.entries(renameByName ?? {})) ?? [];
    const fields = renamed.filter(([, column]) => column !== 'Time').map(([field]) => field);
    assert.deepEqual(fields, ['level', 'queue', 'message', 'message_id', 'reason', 'trace_id'], name);
    for (const field of fields) assert.match(expression, new RegExp(`\\b${field}="${field}"|[ ,]${field}[ ,]`), `${name}: ${field}`);
    assert.deepEqual(panel.fieldConfig.overrides.map(({ matcher }) => matcher.options), ['Trace'], name);
  }
});
