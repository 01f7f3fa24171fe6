// The pages for those who run a deployment: operations.md, alarms.md, alerts.md, troubleshooting.md, security.md and deploy-cost.md of docs/.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'node:test';
import { STACKS } from '../app/names.ts';
import { rolesReference } from '../app/roles_reference.ts';
import { SETTINGS } from '../app/settings.ts';
import { file, source } from './source.ts';
import { templateOf } from './template_of.ts';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
const OF_ALARMS = sections(file('docs/alarms.md'));
const OF_ALERTS = sections(file('docs/alerts.md'));
const OPERATIONS = ['operations', 'alarms', 'alerts', 'troubleshooting'].map((name) => file(`docs/${name}.md`)).join('\n');
const SECURITY = file('docs/security.md');
/** The names in dashboards/alerts.yaml, where several rules may share one. */
const ALERTS = [...new Set([...file('dashboards/alerts.yaml').matchAll(/^ *- alert: (\w+)$/gm)].map(([, name = '']) => name))];

/** The sections by their headings. */
function sections(page: string): Map<string, string> {
  const parts = page.split(/\n(?=## )/).slice(1);
  return new Map(parts.map((part) => [part.slice(3, part.indexOf('\n')), part]));
}

describe('the pages on operations', () => {
  it('have a section for every alarm, and every alarm leads to it', () => {
    const alarms = templateOf('standard').all('AWS::CloudWatch::Alarm').map(([, { Properties }]) => Properties);
    for (const { AlarmName, AlarmDescription } of alarms) {
      const name = AlarmName.replace('orders-test-', '');
      assert.ok(OF_ALARMS.has(name), name);
      assert.ok(AlarmDescription.endsWith(`docs/alarms.md#${name}`), AlarmDescription);
    }
  });

  it('have a section for every alert, and for none that there is not', () => {
    assert.deepEqual([...OF_ALERTS.keys()].sort(), [...ALERTS].sort());
  });

  it('say of each alarm and alert what it means, and what to do', () => {
    for (const [name, section] of [...OF_ALARMS, ...OF_ALERTS]) assert.match(section, /\*\*Means\*\*[\s\S]*\*\*Do\*\*/, name);
  });

  it('name no setting that there is not', () => {
    const named = [...OPERATIONS.matchAll(/`([A-Z]+(?:_[A-Z]+)+)(?:=\w+)?`/g)].map(([, name = '']) => name);
    assert.ok(named.length > 20);
    for (const name of named) assert.ok(name in SETTINGS, name);
  });

  it('name no metric that there is not, and quote the log as it is', () => {
    const quoted = [...OPERATIONS.replaceAll(/```[\s\S]*?```/g, '').matchAll(/`([^`]+)`/g)].map(([, words = '']) => words);
    const metrics = quoted.flatMap((words) => words.match(/^(?:longshore|messaging|process)_\w+/) ?? []);
    // Words that begin with the name of a program are a command.
    const lines = quoted.filter((words) => /^(?!longshore |make |systemctl )[a-z]+(?:,? [a-z]+)+$/.test(words));
    assert.ok(metrics.length > 5 && lines.length > 8, 'they were found');
    for (const name of metrics) assert.ok(file('docs/metrics.md').includes(`\n| \`${name}\` |`), name);
    const logged = [...file('docs/events.md').matchAll(/^\| `([^`]+)` \|/gm)].map(([, message = '']) => message.split(', hint: ')[0]);
    for (const line of lines) assert.ok(logged.includes(line), line);
  });
});

describe('docs/security.md', () => {
  it('has every role as the template has it: `npm run template` writes them anew', () => {
    assert.ok(SECURITY.includes(`\n${rolesReference(STACKS.map((kind) => JSON.parse(file(`deploy/stacks/${kind}.json`))))}\n`));
  });

  it('says what the other shapes add to the task role', () => {
    const statements: { Action: string | string[] }[] = ['collector', 'eager'].flatMap((shape) => templateOf(shape).resource('TaskRole').Policies[0].PolicyDocument.Statement);
    for (const action of statements.flatMap(({ Action }) => Action)) assert.ok(SECURITY.includes(`\`${action}\``), action);
  });

  it('is proven by tests and rules that exist: tests/index.md', () => {
    const rust = ['src', 'tests'].flatMap((folder) => source(folder, 'with tests')).map(({ text }) => text).join('\n');
    const here = readdirSync(join(PROJECT, 'deploy/test'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.ts'));
    const own = [...here.map((name) => file(join('deploy/test', name))), file('deploy/rules/longshore.guard')].join('\n');
    const section = file('tests/index.md').split('\n## ').find((text) => text.startsWith('docs/security.md')) ?? '';
    const proofs = section.split('\n').filter((line) => line.startsWith('- ')).map((line) => line.split(': ').at(-1) ?? '');
    const named = (form: RegExp) => proofs.flatMap((proof) => [...proof.matchAll(form)].map(([, name = '']) => name));
    const [inRust, inHere] = [named(/`(\w+)`/g), named(/\*([^*]+)\*/g)];
    assert.ok(inRust.length > 8 && inHere.length > 12, 'the tests were found');
    for (const name of inRust) assert.ok(rust.includes(`fn ${name}(`), name);
    for (const name of inHere) assert.ok(own.includes(`it('${name}`) || own.includes(`rule ${name} `), name);
  });
});

describe('the pages on the deployment', () => {
  const pages = ['alarms', 'alerts', 'deploy-api', 'deploy-cost', 'deploy-settings', 'ecs', 'operations', 'scaling', 'scaling-simulation', 'security', 'troubleshooting'].map((name) => `docs/${name}.md`);

  it('say by one kind of mark how what AWS does is known', () => {
    for (const page of ['deploy/README.md', 'deploy/terraform/README.md', 'deploy/pipeline/README.md', ...pages]) {
      // In brackets that are there already a mark goes without its own.
      const unmarked = file(page).replaceAll(/\*\((?:run|believed|read: [^()]+)\)\*|(?<=[,;] )\*(?:believed|read: [^*()]+)\*/g, '');
      assert.doesNotMatch(unmarked, /believed|\bread: /, page);
    }
  });

  it('lead to the meaning of the marks', () => {
    for (const page of pages.filter((name) => file(name).includes('*(believed)*'))) assert.ok(file(page).includes('deploy/README.md#how-it-is-known'), page);
  });
});

describe('docs/deploy-cost.md', () => {
  it('reckons with every metric that the worker publishes', () => {
    const published = file('docs/ecs.md').match(/^\| `[A-Z][A-Za-z]+` \| (?:seconds|count) \|/gm)?.length ?? 0;
    assert.ok(published > 5);
    assert.match(file('docs/deploy-cost.md'), new RegExp(`the worker's metrics \\| ${published} × \\$0\\.30`));
  });
});
