// The mixin, as jsonnet makes it: its settings reach what they are for, and nothing is left out.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { parse } from 'yaml';
import { ALL, HERE } from './panels_of.ts';

const SETTINGS = `{ runbook: 'https://git.example.org/alerts.md', stack: 'orders-prod', objectives: { workers: 0 }, without: ['handlers.json'] }`;
const PROGRAM = `local mixin = (import 'mixin/mixin.libsonnet') + { _config+:: ${SETTINGS} };
{ alerts: mixin.prometheusAlerts, rules: mixin.prometheusRules, dashboards: mixin.grafanaDashboards }`;
const skip = hasJsonnet() ? false : 'there is no jsonnet here: apt-get install jsonnet';

interface Rules {
  readonly groups: readonly { readonly name: string; readonly rules: readonly { readonly record?: string; readonly expr: string; readonly annotations?: Record<string, string> }[] }[];
}

it('the mixin has every rule and dashboard, with its settings in them', { skip }, () => {
  const { alerts, rules, dashboards } = JSON.parse(execFileSync('jsonnet', ['-e', PROGRAM], { cwd: HERE, encoding: 'utf8' }));
  const written: Rules = parse(readFileSync(join(HERE, 'alerts.yaml'), 'utf8'));
  const names = ({ groups }: Rules) => groups.map(({ name, rules: of }) => `${name} ${of.length}`);
  assert.deepEqual([...names(rules), ...names(alerts)], names(written));
  for (const { annotations } of (alerts as Rules).groups.flatMap(({ rules: of }) => of).filter(({ record }) => record === undefined)) {
    assert.match(annotations?.['runbook_url'] ?? '', /^https:\/\/git\.example\.org\/alerts\.md#longshore\w+$/);
  }
  const objectives = (rules as Rules).groups[0]?.rules.filter(({ expr }) => expr === 'vector(0)').map(({ record }) => record);
  assert.ok(objectives?.includes('longshore:objective:workers'));
  assert.deepEqual(Object.keys(dashboards).sort(), ALL.map(({ file }) => `longshore-${file}`).filter((file) => !file.includes('handlers')).sort());
  const chosen = Object.values(dashboards as Record<string, { templating: { list: { name: string; current?: { value: string } }[] } }>)
    .flatMap(({ templating }) => templating.list)
    .flatMap(({ name, current }) => (name === 'runbook' || name === 'stack' ? current?.value : []));
  assert.deepEqual([...new Set(chosen)].sort(), ['https://git.example.org/alerts.md', 'orders-prod']);
});

function hasJsonnet(): boolean {
  try {
    execFileSync('jsonnet', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
