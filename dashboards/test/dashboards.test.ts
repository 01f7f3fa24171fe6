// The dashboards as files: up to date, laid out without a gap, every panel telling what it shows.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { alerts, asJson, dashboards, written } from '../lib/all.ts';
import { RUNBOOK } from '../lib/dashboard.ts';
import { COLUMNS } from '../lib/layout.ts';
import { readable, type Unit } from '../lib/units.ts';
import { ALL, HERE, named, type Panel } from './panels_of.ts';

/** Units of Grafana's own that panels may have. */
const UNITS = ['short', 'locale', 's', 'ms', 'percentunit', 'percent', 'reqps', 'mps', 'currencyUSD', 'bytes', 'ops'];

it('the files are what the code makes', () => {
  const made = Object.entries(dashboards({ runbook: RUNBOOK }));
  assert.deepEqual(ALL.map(({ file }) => file).sort(), made.map(([file]) => file).sort());
  for (const [file, dashboard] of made) {
    assert.equal(readFileSync(join(HERE, file), 'utf8'), written(dashboard), `${file} is stale: make dashboards writes it anew`);
  }
});

it('the mixin has the rules of alerts.yaml', () => {
  const rules = readFileSync(join(HERE, 'alerts.yaml'), 'utf8');
  assert.equal(readFileSync(join(HERE, 'mixin', 'alerts.json'), 'utf8'), asJson(rules), 'stale: make dashboards writes it anew');
});

it('every dashboard, panel and title is there once', () => {
  assert.equal(new Set(ALL.map(({ uid }) => uid)).size, ALL.length);
  for (const { file, uid, panels } of ALL) {
    assert.match(uid, /^[a-z-]{8,40}$/);
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length, file);
    const places = panels.map(({ type, title, gridPos }) => `${type} ${title} ${gridPos.y}`);
    assert.equal(new Set(places).size, places.length, file);
  }
});

it('panels fill the grid: no two overlap, no line has a gap, nothing lies beyond the last column', () => {
  for (const { file, panels } of ALL) {
    const bottom = Math.max(...panels.map(({ gridPos: { y, h } }) => y + h));
    const cells = panels.flatMap(cellsOf);
    assert.equal(new Set(cells).size, cells.length, `${file}: two panels overlap`);
    assert.equal(cells.length, bottom * COLUMNS, `${file}: there is a gap`);
    assert.ok(panels.every(({ gridPos: { x, w } }) => x >= 0 && x + w <= COLUMNS), file);
  }
});

it('every row asks a question', () => {
  for (const { panels } of ALL) {
    for (const { type, title } of panels) assert.equal(type === 'row', title.endsWith('?'), title);
  }
});

it('every panel has a title, a sentence about it, a unit of Grafana’s own and a data source that is chosen', () => {
  for (const { name, panel } of named(ALL)) {
    assert.match(panel.title, /^.{3,45}$/, name);
    assert.match(panel.description, /^[A-Z].{10,}\.$/s, name);
    const sources = [panel.datasource, ...panel.targets.map(({ datasource }) => datasource)].map(({ uid }) => uid);
    assert.ok(new Set(sources).size === 1 && ['${datasource}', '${logs}'].includes(sources[0] ?? ''), `${name}: ${sources}`);
    if (['alertlist', 'logs'].includes(panel.type)) continue;
    const overridden = panel.fieldConfig.overrides.flatMap(({ properties }) => properties).flatMap(({ id, value }) => (id === 'unit' ? value : []));
    for (const unit of [panel.fieldConfig.defaults.unit, ...overridden]) assert.ok(UNITS.includes(String(unit)), `${name}: ${unit}`);
  }
});

it('a count shows all its digits: 1,000 messages are not 1 K', () => {
  for (const { name, panel } of named(ALL)) {
    if (/dead letters|waiting|in flight|leases lost|^workers$/i.test(panel.title)) assert.equal(panel.fieldConfig.defaults.unit, 'locale', name);
  }
});

it('links, the runbook and the toggles of annotations stand where they are seen', () => {
  for (const { file } of ALL) {
    assert.ok(!readFileSync(join(HERE, file), 'utf8').includes('inControlsMenu'), file);
    const { links, annotations } = JSON.parse(readFileSync(join(HERE, file), 'utf8'));
    assert.deepEqual(links.map(({ title }: { title: string }) => title), ['Longshore', 'Runbook'], file);
    if (file !== 'cloudwatch.json') assert.deepEqual(annotations.list.map(({ name }: { name: string }) => name), ['Page', 'Ticket', 'New version', 'Worker started']);
  }
});

it('one setting leads every link into the runbook of a team, and another the CloudWatch dashboard to its stack', () => {
  const runbook = 'https://git.example.org/$1/alerts.md';
  const made = dashboards({ runbook, stack: 'orders-prod' });
  for (const [file, { templating }] of Object.entries(made)) {
    const set = (name: string) => (templating?.list ?? []).find((variable) => variable.name === name)?.current?.value;
    assert.equal(set('runbook'), runbook, file);
    if (file === 'cloudwatch.json') assert.equal(set('stack'), 'orders-prod');
  }
  const rules = alerts(readFileSync(join(HERE, 'alerts.yaml'), 'utf8'), runbook);
  const urls = [...rules.matchAll(/runbook_url: (.*)/g)].map(([, url]) => url ?? '');
  assert.ok(urls.length > 20);
  for (const url of urls) assert.match(url, /^https:\/\/git\.example\.org\/\$1\/alerts\.md#longshore\w+$/);
});

it('every limit that colours a panel is told in its description', () => {
  for (const { name, panel } of named(ALL)) {
    for (const { value } of panel.fieldConfig.defaults.thresholds.steps) {
      if (value !== null) assert.ok(panel.description.includes(readable(value, panel.fieldConfig.defaults.unit as Unit)), `${name}: ${value}`);
    }
  }
});

it('every link into the runbook leads to an alert of that name', () => {
  const alerts = [...readFileSync(join(HERE, 'alerts.yaml'), 'utf8').matchAll(/- alert: (\w+)/g)].map(([, name]) => name?.toLowerCase());
  for (const { name, panel } of named(ALL)) {
    for (const { url } of panel.links ?? []) assert.ok(alerts.some((alert) => url === `\${runbook}#${alert}`), `${name}: ${url}`);
  }
});

it('every link to other dashboards and to traces uses variables that its dashboard has', () => {
  const ofGrafana = ['__url_time_range', '__value', '__from', '__to'];
  for (const { file, templating, panels } of ALL) {
    const known = [...templating.list.map(({ name }) => name), ...ofGrafana];
    const urls = [...JSON.stringify(panels).matchAll(/"url":"([^"]*)"/g)].map(([, url]) => url ?? '');
    for (const url of urls) {
      for (const [, name = ''] of url.matchAll(/\$\{(\w+)/g)) assert.ok(known.includes(name), `${file}: ${name} in ${url}`);
    }
  }
});

it('no series of a panel has a name that only a few messages have', () => {
  const few = ['severity', 'queue', 'kind', 'ending', 'state', 'action', 'result', 'cause', 'occasion', 'version', 'le', 'messaging_operation_name', 'instance'];
  for (const { name, panel } of named(ALL)) {
    for (const { legendFormat = '' } of panel.targets) {
      for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) assert.ok(few.includes(label), `${name}: ${label}`);
    }
  }
});

function cellsOf({ gridPos: { x, y, w, h } }: Panel): string[] {
  return Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`);
}
