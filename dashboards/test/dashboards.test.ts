// The dashboards as files: up to date, laid out without a gap, every panel telling what it shows.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { dashboards, written } from '../lib/all.ts';
import { RUNBOOK } from '../lib/dashboard.ts';
import { COLUMNS } from '../lib/layout.ts';
import { readable, type Unit } from '../lib/units.ts';
import { ALL, HERE, named, type Panel } from './panels_of.ts';

it('the files are what the code makes', () => {
  const made = Object.entries(dashboards(RUNBOOK));
  assert.deepEqual(ALL.map(({ file }) => file).sort(), made.map(([file]) => file).sort());
  for (const [file, dashboard] of made) {
    assert.equal(readFileSync(join(HERE, file), 'utf8'), written(dashboard), `${file} is stale: make dashboards writes it anew`);
  }
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

it('every panel has a title, a sentence about it, a unit and a data source that is chosen', () => {
  for (const { name, panel } of named(ALL)) {
    assert.match(panel.title, /^.{3,45}$/, name);
    assert.match(panel.description, /^[A-Z].{10,}\.$/s, name);
    assert.ok(panel.fieldConfig.defaults.unit, name);
    for (const { uid } of [panel.datasource, ...panel.targets.map(({ datasource }) => datasource)]) assert.equal(uid, '${datasource}', name);
  }
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

it('every link to traces and to other dashboards uses variables that its dashboard has', () => {
  const ofGrafana = ['__url_time_range', '__value', '__from', '__to'];
  for (const { file, templating, panels } of ALL) {
    const known = [...templating.list.map(({ name }) => name), ...ofGrafana];
    const urls = [...JSON.stringify(panels).matchAll(/"url":"([^"]*)"/g)].map(([, url]) => url ?? '');
    for (const url of urls) {
      for (const [, name = ''] of url.matchAll(/\$\{(\w+)/g)) assert.ok(known.includes(name), `${file}: ${name} in ${url}`);
      const panes = url.match(/panes=(.*)/)?.[1];
      if (panes !== undefined) {
        const { datasource, queries } = JSON.parse(decodeURIComponent(panes)).traces;
        assert.deepEqual([datasource, queries[0].service], ['${traces}', '${service}'], file);
      }
    }
  }
});

it('no series of a panel has a name that only a few messages have', () => {
  const few = ['queue', 'kind', 'ending', 'state', 'action', 'result', 'cause', 'occasion', 'version', 'le', 'messaging_operation_name', 'instance'];
  for (const { name, panel } of named(ALL)) {
    for (const { legendFormat = '' } of panel.targets) {
      for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) assert.ok(few.includes(label), `${name}: ${label}`);
    }
  }
});

function cellsOf({ gridPos: { x, y, w, h } }: Panel): string[] {
  return Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`);
}
