// The committed templates: fresh, small and the same for every name.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type StackKind, STACKS } from '../app/names.ts';
import { parameterName } from '../app/parameter_name.ts';
import { readSettings } from '../app/read_settings.ts';
import { settingsTable } from '../app/reference.ts';
import { eachSetting } from '../app/settings.ts';
import { COMMITTED, committedTemplates, synthesize, TEMPLATE_BYTES } from '../app/synth.ts';
import { SHAPES } from './shapes.ts';
import { file } from './source.ts';

const committed = Object.fromEntries(STACKS.map((kind) => [kind, file(`deploy/stacks/${kind}.json`)])) as Record<StackKind, string>;

interface Parsed {
  readonly Parameters: Record<string, Record<string, unknown>>;
  readonly Conditions?: Record<string, unknown>;
  readonly Resources: Record<string, { Type: string; Properties: unknown; Condition?: string; Metadata?: unknown }>;
}

const parsed = (kind: StackKind) => JSON.parse(committed[kind]) as Parsed;

it('the templates in stacks/ are what the app makes: `npm run template` writes them anew', () => {
  assert.deepEqual(committed, committedTemplates());
});

it('each template is small enough for `aws cloudformation deploy` without a bucket, with room to spare', () => {
  for (const kind of STACKS) assert.ok(Buffer.byteLength(committed[kind]) < 0.7 * TEMPLATE_BYTES, `${kind}: ${Buffer.byteLength(committed[kind])} bytes`);
});

it('what `cdk synth` writes of the largest shape is small enough, too', () => {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-cdk-'));
  try {
    const env = { ...process.env, ...SHAPES['everything'], ...SHAPES['collector'], CDK_OUTDIR: folder };
    const run = spawnSync(process.execPath, [fileURLToPath(new URL('../bin/longshore.js', import.meta.url))], { env, encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
    for (const kind of STACKS) {
      const template = readFileSync(join(folder, `orders-test-${kind}-stack.template.json`));
      assert.ok(template.byteLength < 0.8 * TEMPLATE_BYTES, `${kind}: ${template.byteLength} bytes`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('the templates need no assets and no bootstrapped account', () => {
  for (const kind of STACKS) assert.doesNotMatch(committed[kind], /cdk-bootstrap|BootstrapVersion|AssetParameters|cdk-hnb659fds/);
});

it('every setting that is a parameter has its range in each template that asks for it', () => {
  const asked = new Set(STACKS.flatMap((kind) => Object.keys(parsed(kind).Parameters)));
  for (const [name, { parameter }] of eachSetting()) if (parameter !== undefined) assert.ok(asked.has(parameterName(name)), name);
  for (const kind of STACKS) {
    for (const [name, found] of Object.entries(parsed(kind).Parameters)) {
      assert.ok(found['AllowedPattern'] ?? found['AllowedValues'] ?? (found['MinValue'] !== undefined && found['MaxValue'] !== undefined), `${kind}: ${name}`);
    }
  }
});

it('a template imports what an earlier one exports, and nothing else', () => {
  const names = (kind: StackKind, form: RegExp) => [...committed[kind].matchAll(form)].map(([, name = '']) => name);
  const exported: string[] = [];
  for (const kind of STACKS) {
    for (const name of names(kind, /"Fn::ImportValue":\{"Fn::Sub":"([^"]+)"/g)) assert.ok(exported.includes(name), `${kind}: ${name}`);
    exported.push(...names(kind, /"Export":\{"Name":\{"Fn::Sub":"([^"]+)"/g));
  }
  assert.deepEqual(exported, ['${ProjectName}-${Stage}-key', '${ProjectName}-${Stage}-http-api-id']);
});

it('no parameter changes a method: API Gateway would go on with the deployment that it has', () => {
  const { Parameters, Resources } = parsed('api');
  const names = Object.keys(Parameters).filter((name) => !['ProjectName', 'Stage'].includes(name));
  for (const [id, { Type, Properties }] of Object.entries(Resources)) {
    if (!/^AWS::ApiGateway::(Method|Model|GatewayResponse|RequestValidator)$/.test(Type)) continue;
    for (const name of names) assert.ok(!new RegExp(`"Ref":"${name}"|\\$\\{${name}\\}`).test(JSON.stringify(Properties)), `${id}: ${name}`);
  }
});

type Rule = { RuleCondition: { 'Fn::Equals': [{ Ref: string }, string] }; Assertions: { Assert: { 'Fn::Contains': [string[], { Ref: string }] } }[] };
const { Rules: RULES } = JSON.parse(committed.service) as { Rules: Record<string, Rule> };
/** What the rule for this value of a parameter allows, and of which other one. */
function allowed(parameter: string, given: string): readonly [string[], { Ref: string } | undefined] {
  const rule = Object.values(RULES).find(({ RuleCondition: { 'Fn::Equals': [{ Ref }, value] } }) => Ref === parameter && value === given);
  return rule?.Assertions[0]?.Assert['Fn::Contains'] ?? [[], undefined];
}

it('CloudFormation refuses a MinTasks above a MaxTasks of up to 10, the settings one above any', () => {
  for (let most = 1; most <= 10; most++) {
    const [sizes, of] = allowed('MaxTasks', String(most));
    assert.deepEqual([sizes.map(Number), of], [Array.from({ length: most + 1 }, (_, size) => size), { Ref: 'MinTasks' }]);
  }
  assert.deepEqual(allowed('MaxTasks', '11')[0], [], 'README.md says so');
  for (const most of [1, 10, 11, 999]) {
    const settings = (least: number) => () => readSettings({ ...COMMITTED, MIN_TASKS: String(least), MAX_TASKS: String(most) });
    assert.doesNotThrow(settings(most));
    assert.throws(settings(most + 1), /MIN_TASKS/);
  }
});

it('CloudFormation refuses the pairs of CPU and memory that the settings refuse', () => {
  for (const cpu of ['256', '512', '1024', '2048', '4096', '8192', '16384']) {
    const [memories, of] = allowed('Cpu', cpu);
    assert.deepEqual(of, { Ref: 'Memory' });
    for (const memory of ['512', '1024', '1536', '2048', '3072', '30720', '61440', '122880']) {
      const fine = () => readSettings({ ...COMMITTED, CPU: cpu, MEMORY: memory });
      if (memories.includes(memory)) assert.doesNotThrow(fine, `${cpu}/${memory}`);
      else assert.throws(fine, /Fargate takes/, `${cpu}/${memory}`);
    }
  }
});

it('the subnets of a new VPC have addresses for twice the most tasks', () => {
  const blocks = Object.values(parsed('service').Resources).filter(({ Type }) => Type === 'AWS::EC2::Subnet').map(({ Properties }) => (Properties as { CidrBlock: string }).CidrBlock);
  // AWS keeps five addresses of a subnet, and each endpoint takes one.
  const free = blocks.map((block) => 2 ** (32 - Number(block.split('/')[1])) - 5 - 20).reduce((sum, one) => sum + one, 0);
  assert.ok(free >= 2 * Number(parsed('service').Parameters['MaxTasks']?.['MaxValue']), `${free}`);
});

it('the role of ECS is made before the cluster only when it is asked for', () => {
  const { Parameters, Conditions, Resources } = parsed('service');
  assert.equal(Parameters['EcsRole']?.['Default'], 'there');
  assert.deepEqual(Conditions, { MakesEcsRole: { 'Fn::Equals': [{ Ref: 'EcsRole' }, 'make'] } });
  assert.equal(Resources['EcsServiceRole']?.Condition, 'MakesEcsRole');
  assert.deepEqual(Resources['Cluster']?.Metadata, { After: { 'Fn::If': ['MakesEcsRole', { Ref: 'EcsServiceRole' }, { Ref: 'EcsRole' }] } });
});

it('asked or written, the resources are the same but for those on a condition', () => {
  const resources = (binding: 'asked' | 'written') =>
    Object.values(synthesize(COMMITTED, binding)).map(({ Resources }) =>
      Object.entries(Resources as Parsed['Resources']).flatMap(([id, { Condition }]) => (Condition === undefined ? [id.replace(/[0-9A-Fa-f]{8,}$/, '')] : [])),
    );
  assert.deepEqual(resources('asked'), resources('written'));
});

it('the page on settings has every one: `npm run template` writes its table anew', () => {
  assert.ok(file('docs/deploy-settings.md').includes(`\n${settingsTable()}\n`));
});
