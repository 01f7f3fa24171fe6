// The alert rules as a file: what they are called, what they say, and that their objectives are those of the dashboards.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { parse } from 'yaml';
import * as objectives from '../lib/objectives.ts';
import { find } from './catalogue.ts';
import { HERE, metricsIn, named, OF_PROMETHEUS } from './panels_of.ts';

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Case {
  readonly alert_rule_test?: readonly { readonly alertname: string; readonly exp_alerts?: readonly { readonly exp_labels: Readonly<Record<string, string>> }[] }[];
}

const FILE: { groups: readonly { rules: readonly Rule[] }[] } = parse(readFileSync(join(HERE, 'alerts.yaml'), 'utf8'));
const RULES = FILE.groups.flatMap(({ rules }) => rules);
const ALERTS = RULES.filter(({ alert }) => alert !== undefined);
const CASES = readdirSync(join(HERE, 'test', 'alerts')).flatMap((file): Case[] => parse(readFileSync(join(HERE, 'test', 'alerts', file), 'utf8')).tests);

it('all alerts are there', () => {
  assert.deepEqual([...new Set(ALERTS.map(({ alert }) => alert))].sort(), [
    'LongshoreBacklogAboveObjective',
    'LongshoreCrashLoop',
    'LongshoreDeletesFailing',
    'LongshoreDepthUnknown',
    'LongshoreDlqGrowing',
    'LongshoreDrainExceeded',
    'LongshoreFailing',
    'LongshoreHandlerDown',
    'LongshoreHandlerHangs',
    'LongshoreLeasesLost',
    'LongshoreNothingDone',
    'LongshoreOldestWaiting',
    'LongshorePauseForgotten',
    'LongshoreRetentionNear',
    'LongshoreSettlingStuck',
    'LongshoreShortOfResources',
    'LongshoreSilentPoller',
    'LongshoreStartAgeBudgetBurn',
    'LongshoreTargetMissing',
  ]);
});

it('every alert says how urgent it is, what is wrong, and where its section of the runbook is', () => {
  for (const { alert = '', labels, annotations } of ALERTS) {
    assert.match(labels?.['severity'] ?? '', /^(page|ticket)$/, alert);
    assert.deepEqual(Object.keys(annotations ?? {}), ['summary', 'description', 'runbook_url'], alert);
    assert.equal(annotations?.['runbook_url'], `docs/alerts.md#${alert.toLowerCase()}`, alert);
  }
});

it('every rule of every alert has a test that raises it and one that does not', () => {
  const asked = CASES.flatMap(({ alert_rule_test: tests }) => tests ?? []);
  for (const { alert, labels } of ALERTS) {
    const ofAlert = asked.filter(({ alertname }) => alertname === alert);
    const raised = ofAlert.flatMap(({ exp_alerts: alerts }) => alerts ?? []).some(({ exp_labels: found }) => found['severity'] === labels?.['severity']);
    assert.ok(raised, `${alert}, ${labels?.['severity']}`);
    assert.ok(ofAlert.some(({ exp_alerts: alerts }) => alerts?.length === 0) || alert === 'LongshoreStartAgeBudgetBurn', alert);
  }
});

it('every metric of a rule is in the catalogue or recorded here', () => {
  const recorded = RULES.map(({ record }) => record);
  for (const { expr } of RULES) {
    const names = [...metricsIn(expr), ...[...expr.matchAll(/\b((?:longshore|messaging|process)[\w:]+)/g)].map(([, name]) => name ?? '')];
    for (const name of names) assert.ok(find(name) ?? recorded.includes(name), `${name} in ${expr}`);
  }
});

it('a rule reads what was recorded above it in its own group, or an objective, which never changes', () => {
  for (const { rules } of FILE.groups) {
    const above = new Set<string>();
    for (const { record = '', alert, expr } of rules) {
      above.add(record);
      const read = [...expr.matchAll(/\blongshore:[\w:]+/g)].map(([name]) => name).filter((name) => !name.startsWith('longshore:objective:'));
      assert.deepEqual(read.filter((name) => !above.has(name)), [], alert ?? record);
    }
  }
});

it('no rule mixes fleets: whoever keeps the job keeps the cluster and the namespace, too', () => {
  for (const { alert, record, expr } of RULES) {
    for (const [clause, labels = ''] of expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)) {
      assert.ok(labels === '' || labels.startsWith('cluster, namespace, job'), `${alert ?? record}: ${clause}`);
    }
  }
});

it('the silence that the fleet shows is the one that is told', () => {
  const { expr = '' } = RULES.find(({ record }) => record === 'longshore:silent_seconds') ?? {};
  const told = [...expr.matchAll(/\blongshore_\w+/g)].map(([name]) => name);
  assert.ok(told.length > 0);
  const shown = named(OF_PROMETHEUS).find(({ name }) => name === 'fleet.json: Longest silence')?.panel.targets[0]?.expr ?? '';
  assert.deepEqual(metricsIn(shown).sort(), told.sort());
});

it('the objectives are those that the dashboards show', () => {
  const value = (name: string) => Number(RULES.find(({ record }) => record === `longshore:objective:${name}`)?.expr.match(/^vector\((.*)\)$/)?.[1]);
  assert.equal(value('silent_seconds'), objectives.SILENT_SECONDS);
  assert.equal(value('backlog_seconds'), objectives.BACKLOG_SECONDS);
  assert.equal(value('delete_failure_share'), objectives.DELETE_FAILURE_SHARE);
  assert.equal(value('settling_seconds'), objectives.SETTLING_SECONDS);
  assert.equal(value('drain_share'), objectives.DRAIN_SHARE);
  assert.equal(value('retention_share'), objectives.RETENTION_SHARE);
  assert.equal((1 - value('start_age_budget')).toFixed(6), objectives.START_AGE_SHARE.toFixed(6));
  const bounds = RULES.flatMap(({ expr }) => [...expr.matchAll(/le=~"(\d+)\(/g)].map(([, bound]) => Number(bound)));
  assert.deepEqual([...new Set(bounds)], [objectives.START_AGE_SECONDS]);
});
