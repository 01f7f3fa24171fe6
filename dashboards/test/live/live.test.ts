// The dashboards on a worker under load: every query and every variable answers, whatever the queue is called.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { type Answer, ask, empty, type Span } from '../../live/answers.ts';
import { ALL, type Choice, interpolate, labelValues } from '../../live/grafana.ts';
import { eventually } from '../../live/program.ts';
import { SCRAPE } from '../../live/prometheus.ts';
import { DOTTED, HOSTILE, RENAMED } from '../../live/settings.ts';
import { SECRET } from '../../live/traffic.ts';
import { World } from '../../live/world.ts';
import { type Dashboard, HERE, OF_PROMETHEUS, type Variable } from '../panels_of.ts';

const PROGRAM = process.env['LONGSHORE_PROGRAM'] ?? join(HERE, '..', 'target', 'debug', 'longshore');
const EVERYTHING: Readonly<Record<string, Choice>> = {
  cluster: ALL, namespace: ALL, job: ALL, instance: ALL, queue: ALL, kind: ALL, price: '0.40',
};

let world: World;
let start: number;
const span = (): Span => ({ start, end: Math.floor(Date.now() / 1000) });

before(async () => {
  world = await World.start(PROGRAM, join(HERE, 'alerts.yaml'), RENAMED);
  start = Math.floor(Date.now() / 1000);
  await eventually('messages are handled', async () => (await world.ended()) > 20);
  await world.interruptHandler();
});

after(async () => {
  assert.deepEqual(await world.end(), [0, 0], 'both workers drained');
});

for (const dashboard of OF_PROMETHEUS) {
  it(`every query of ${dashboard.file} has data`, async () => {
    const chosen = { ...EVERYTHING, ...(isOfOneQueue(dashboard) ? { queue: HOSTILE } : {}) };
    await allAnswered(dashboard, chosen);
  });

  it(`every variable of ${dashboard.file} has values, the hostile name as it is among them`, async () => {
    for (const variable of dashboard.templating.list) {
      if (variable.type !== 'query') continue;
      const values = await valuesOf(variable);
      assert.ok(values.length > 0, variable.name);
      if (variable.name === 'queue') assert.ok(values.includes(HOSTILE), values.join(' '));
    }
  });
}

it('only the chosen queues are shown, though the name of one taken as an expression would match another', async () => {
  const [fleet] = OF_PROMETHEUS.filter(({ file }) => file === 'fleet.json');
  assert.ok(fleet);
  const several = { ...EVERYTHING, queue: [HOSTILE, DOTTED] };
  const answers = await allAnswered(fleet, several);
  const names = new Set(answers.flatMap(({ series }) => series.flatMap(({ metric }) => metric['queue'] ?? [])));
  assert.deepEqual([...names].sort(), [DOTTED, HOSTILE].sort());
});

it('every rule is evaluated, the DLQ that grows is told, and nobody is called for it', async () => {
  assert.deepEqual(await world.prometheus.brokenRules(), []);
  const raised = () => world.prometheus.instant('ALERTS{alertstate="firing"}', span().end);
  await eventually('the DLQ is told', async () => (await raised()).some(({ metric }) => metric['alertname'] === 'LongshoreDlqGrowing'));
  assert.deepEqual((await raised()).filter(({ metric }) => metric['severity'] === 'page'), []);
});

it('what an alert counts is there before it first happens, or its first increase would not be seen', async () => {
  const counted = [
    'longshore_leases_lost_total',
    'longshore_settle_failures_total{action="delete"}',
    'longshore_api_calls_total{action="delete",result="refused"}',
    'longshore_messages_ended_total{ending="drained"}',
  ];
  for (const series of counted) {
    const found = await world.prometheus.instant(`count by (instance) (${series} == 0)`, span().end);
    assert.deepEqual(found.map(({ values }) => values[0]?.[1]), ['6', '6'], `${series}, for each queue of both workers`);
  }
});

it('nothing that a message holds is in a metric’s name, label or value', async () => {
  const { prometheus } = world;
  for (const label of await prometheus.labels()) {
    assert.match(label, /^[a-z_]+$/);
    for (const value of await prometheus.labelValues(label)) assert.ok(!value.includes(SECRET.slice(0, 6)), `${label}: ${value}`);
  }
  assert.equal(world.traffic.trouble, undefined);
});

it('a scraper that dies, or never reads its answer, is nothing to a worker', async () => {
  await world.prometheus.kill();
  const stuck = await Promise.all(Array.from({ length: 20 }, () => fetch(`http://${world.admins[0]}/metrics`)));
  const before = await world.ended();
  await eventually('messages are handled as before', async () => (await world.ended()) > before + 50);
  for (const { body } of stuck) await body?.cancel();
});

/** Some things happen now and then only, so it is asked again until all of them have. */
async function allAnswered(dashboard: Dashboard, chosen: Readonly<Record<string, Choice>>): Promise<Answer[]> {
  let missing: string[] = [];
  const asked = eventually(`every query of ${dashboard.file} has data`, async () => {
    const answers = await ask(world.prometheus, dashboard, { span: span(), variables: chosen, resolution: { scrape: SCRAPE, points: 300 } });
    // Nothing here is worth calling anybody for, so no mark of a page is there.
    missing = empty(dashboard, answers).filter((query) => !query.includes(': Page, '));
    return missing.length === 0 && answers;
  });
  return asked.catch((error: unknown) => assert.fail(`no data:\n  ${missing.join('\n  ')}\n${error}`));
}

async function valuesOf({ query }: Variable): Promise<string[]> {
  const { selector, label } = labelValues(typeof query === 'string' ? query : query.query);
  const { end } = span();
  return world.prometheus.labelValues(label, interpolate(selector, { variables: EVERYTHING, range: end - start, interval: SCRAPE, scrape: SCRAPE }));
}

const isOfOneQueue = ({ templating }: Dashboard): boolean => templating.list.some(({ name, multi }) => name === 'queue' && !multi);
