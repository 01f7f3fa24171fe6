// The committed template: fresh, small and the same for every name.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { committedTemplate, synthesize, TEMPLATE_BYTES, COMMITTED } from '../lib/synth.ts';
import { parameterName } from '../lib/parameter_name.ts';
import { settingsTable } from '../lib/reference.ts';
import { eachSetting } from '../lib/settings.ts';
import { SHAPES } from './shapes.ts';
import { file } from './source.ts';

const committed = file('deploy/template.json');

it('template.json is what the app makes: `npm run template` writes it anew', () => {
  assert.equal(committed, committedTemplate());
});

it('template.json is small enough for `aws cloudformation deploy` without a bucket', () => {
  assert.ok(Buffer.byteLength(committed) < TEMPLATE_BYTES, `${Buffer.byteLength(committed)} bytes`);
});

it('what `cdk synth` writes of the largest shape is small enough, too', () => {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-cdk-'));
  try {
    const env = { ...process.env, ...SHAPES['everything'], ...SHAPES['collector'], CDK_OUTDIR: folder };
    const run = spawnSync(process.execPath, [fileURLToPath(new URL('../bin/longshore.js', import.meta.url))], { env, encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
    const template = readFileSync(join(folder, 'orders-test-queue-stack.template.json'));
    assert.ok(template.byteLength < TEMPLATE_BYTES, `${template.byteLength} bytes`);
    assert.ok('Queue' in JSON.parse(template.toString()).Resources);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('template.json needs no assets and no bootstrapped account', () => {
  assert.doesNotMatch(committed, /cdk-bootstrap|BootstrapVersion|AssetParameters|cdk-hnb659fds/);
});

it('every setting that is a parameter has its range in template.json', () => {
  const { Parameters } = JSON.parse(committed) as { Parameters: Record<string, Record<string, unknown>> };
  for (const [name, { parameter }] of eachSetting()) {
    if (parameter === undefined) continue;
    const found = Parameters[parameterName(name)];
    assert.ok(found, name);
    assert.ok(found['AllowedPattern'] ?? found['AllowedValues'] ?? (found['MinValue'] !== undefined && found['MaxValue'] !== undefined), name);
  }
});

it('no parameter changes a method: API Gateway would go on with the deployment that it has', () => {
  const { Parameters, Resources } = JSON.parse(committed) as { Parameters: object; Resources: Record<string, { Type: string; Properties: unknown }> };
  const names = Object.keys(Parameters).filter((name) => !['ProjectName', 'Stage'].includes(name));
  for (const [id, { Type, Properties }] of Object.entries(Resources)) {
    if (!/^AWS::ApiGateway::(Method|Model|GatewayResponse|RequestValidator)$/.test(Type)) continue;
    for (const name of names) assert.ok(!new RegExp(`"Ref":"${name}"|\\$\\{${name}\\}`).test(JSON.stringify(Properties)), `${id}: ${name}`);
  }
});

it('asked or written, the resources are the same', () => {
  const resources = (binding: 'asked' | 'written') => Object.keys(synthesize(COMMITTED, binding)['Resources'] as object).map((id) => id.replace(/[0-9A-Fa-f]{8,}$/, ''));
  assert.deepEqual(resources('asked'), resources('written'));
});

it('the README has every setting: `npm run template` writes its table anew', () => {
  assert.ok(file('deploy/README.md').includes(`\n${settingsTable()}\n`));
});
