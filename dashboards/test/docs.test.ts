// docs/dashboards.md and its pictures tell of every dashboard, panel and alert that there is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { ALL, HERE } from './panels_of.ts';

const DOCS = join(HERE, '..', 'docs');
const PAGE = readFileSync(join(DOCS, 'dashboards.md'), 'utf8');

it('every dashboard has its section and its picture, with every panel in it', () => {
  for (const { file, panels } of ALL) {
    const name = file.replace('.json', '.svg');
    assert.ok(PAGE.includes(`(dashboards/${name})`), name);
    const picture = readFileSync(join(DOCS, 'dashboards', name), 'utf8');
    for (const { title } of panels) assert.ok(picture.includes(title), `${name} does not show ${title}: make dashboards-pictures draws it anew`);
    assert.ok(picture.length < 300_000, `${name} is too large: ${picture.length}`);
  }
});

it('every panel of the pictures shows what was recorded', () => {
  for (const { file } of ALL) {
    const picture = readFileSync(join(DOCS, 'dashboards', file.replace('.json', '.svg')), 'utf8');
    assert.doesNotMatch(picture, /NaN|Infinity|undefined|no data/, file);
  }
});

it('every alert is in the table, with its severities', () => {
  const alerts = readFileSync(join(HERE, 'alerts.yaml'), 'utf8');
  for (const [, name = ''] of alerts.matchAll(/- alert: (\w+)/g)) {
    assert.ok(PAGE.includes(`[\`${name}\`](operations.md#${name.toLowerCase()})`), name);
  }
});
