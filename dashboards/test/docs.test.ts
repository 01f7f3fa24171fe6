// docs/dashboards.md and its pictures tell of every dashboard, panel and alert that there is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { INCIDENTS } from '../live/incidents/incidents.ts';
import { ALL, HERE, OF_PROMETHEUS } from './panels_of.ts';

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

it('the pictures show lines of the log, the trace of each, and the alerts that were raised', () => {
  for (const { file, panels } of OF_PROMETHEUS) {
    const picture = readFileSync(join(DOCS, 'dashboards', file.replace('.json', '.svg')), 'utf8');
    const has = (type: string) => panels.some((panel) => panel.type === type);
    if (has('logs')) assert.match(picture, /&quot;level&quot;:&quot;(WARN|ERROR)&quot;/, file);
    if (has('logs')) assert.match(picture, />[0-9a-f]{32}</, file);
    if (has('alertlist')) assert.match(picture, />Longshore\w+, /, file);
  }
});

it('the ten incidents of docs/operations.md are those that are played, each with the alert that sees it and its minute', () => {
  const page = readFileSync(join(DOCS, 'operations.md'), 'utf8');
  const section = page.match(/## Ten incidents\n([\s\S]*?)\n## /)?.[1] ?? '';
  const told = [...section.matchAll(/^\| \[(.*?)\]\(alerts\.md#(\w+)\) \| `(\w+)`, (\w+) \| (\d+) \|$/gm)].map(([, what, anchor, alert = '', severity]) => {
    assert.equal(anchor, alert.toLowerCase());
    return `${what}: ${alert} ${severity}`;
  });
  assert.deepEqual(told, INCIDENTS.map(({ what, alert, severity }) => `${what}: ${alert} ${severity}`));
  assert.equal(told.length, 10);
});

it('the table of alerts has every one, each with the severities of its rules and in their order', () => {
  const rules = [...readFileSync(join(HERE, 'alerts.yaml'), 'utf8').matchAll(/- alert: (\w+)[\s\S]*?severity: (\w+)/g)];
  // A row without a name goes on with the alert above it.
  let alert = '';
  const told = [...PAGE.matchAll(/^\| (?:\[`(\w+)`\]\(alerts\.md#(\w+)\))? *\| (page|ticket)\b/gm)].map(([, name = alert, anchor = name.toLowerCase(), severity]) => {
    alert = name;
    assert.equal(anchor, name.toLowerCase());
    return `${name}: ${severity}`;
  });
  assert.deepEqual(told.sort(), rules.map(([, name, severity]) => `${name}: ${severity}`).sort());
});
