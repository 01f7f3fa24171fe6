// The rules of rules/longshore.guard hold in every shape, and each of them can fail.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { STACKS } from '../app/names.ts';
import { SHAPES } from './shapes.ts';
import { file } from './source.ts';
import { templateOf } from './template_of.ts';

const RULES = fileURLToPath(new URL('../../rules/longshore.guard', import.meta.url));
const PACKAGE = dirname(createRequire(import.meta.url).resolve('@cdklabs/cdk-validator-cfnguard/package.json'));
const SYSTEM = process.platform === 'darwin' ? 'macos' : 'ubuntu';
const GUARD = join(PACKAGE, 'bin', SYSTEM, process.arch === 'arm64' ? 'aarch64' : 'x86_64', 'cfn-guard');

/** The shapes whose settings let go of a rule. */
const LOOSENED: Readonly<Record<string, readonly string[]>> = {
  throwaway: ['queues_are_encrypted_and_kept'],
  doors: ['callers_are_known'],
  lambda: ['callers_are_known'],
  open: ['callers_are_known', 'callers_of_the_http_api_are_known'],
  http: ['callers_of_the_http_api_are_known'],
};

/** What cfn-guard says of a template; `undefined` when all is well. */
function broken(template: unknown): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-guard-'));
  try {
    const path = join(folder, 'template.json');
    writeFileSync(path, JSON.stringify(template));
    const run = spawnSync(GUARD, ['validate', '--rules', RULES, '--data', path, '--show-summary', 'fail'], { encoding: 'utf8' });
    assert.equal(run.error, undefined);
    return run.status === 0 ? undefined : run.stdout + run.stderr;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('cfn-guard', () => {
  for (const shape of Object.keys(SHAPES)) {
    if (shape in LOOSENED) continue;
    it(`finds nothing: ${shape}`, () => assert.equal(broken(templateOf(shape).json), undefined));
  }

  for (const kind of STACKS) it(`finds nothing: stacks/${kind}.json`, () => assert.equal(broken(JSON.parse(file(`deploy/stacks/${kind}.json`))), undefined));

  for (const [shape, rules] of Object.entries(LOOSENED)) {
    it(`finds what the settings of ${shape} loosen, and nothing else`, () => {
      const failed = [...(broken(templateOf(shape).json) ?? '').matchAll(/(\w+)\s+FAIL$/gm)].map(([, rule]) => rule);
      assert.deepEqual(failed, rules);
    });
  }

  /** By the rule that it breaks, what is done to a template. */
  const damage: Record<string, [type: string, (properties: any, resource: any) => void]> = {
    queues_are_encrypted_and_kept: ['AWS::SQS::Queue', (_, resource) => delete resource.DeletionPolicy],
    queues_take_tls_only: ['AWS::SQS::QueuePolicy', (properties) => (properties.PolicyDocument.Statement[0].Effect = 'Allow')],
    topics_are_encrypted: ['AWS::SNS::Topic', (properties) => delete properties.KmsMasterKeyId],
    keys_rotate: ['AWS::KMS::Key', (properties) => (properties.EnableKeyRotation = false)],
    logs_are_encrypted_and_end: ['AWS::Logs::LogGroup', (properties) => delete properties.RetentionInDays],
    containers_are_hardened: ['AWS::ECS::TaskDefinition', (properties) => delete properties.ContainerDefinitions[1].LinuxParameters],
    root_file_systems_are_read_only: ['AWS::ECS::TaskDefinition', (properties) => delete properties.ContainerDefinitions[1].ReadonlyRootFilesystem],
    services_scale_and_roll_back: ['AWS::ECS::Service', (properties) => (properties.DesiredCount = 1)],
    roles_name_their_actions: ['AWS::IAM::Role', (properties) => (properties.Policies[0].PolicyDocument.Statement[0].Action = 'sqs:*')],
    attached_policies_name_their_actions: ['AWS::IAM::Policy', (properties) => (properties.PolicyDocument.Statement[0].Action = 'logs:*')],
    nothing_comes_in_from_the_internet: ['AWS::EC2::SecurityGroup', (properties) => (properties.SecurityGroupIngress = [{ CidrIp: '0.0.0.0/0' }])],
    callers_are_known: ['AWS::ApiGateway::Method', (properties) => Object.assign(properties, { AuthorizationType: 'NONE', ApiKeyRequired: false })],
    callers_of_the_http_api_are_known: ['AWS::ApiGatewayV2::Route', (properties) => (properties.AuthorizationType = 'NONE')],
    requests_are_read_or_refused: ['AWS::ApiGateway::Method', (properties) => (properties.Integration.PassthroughBehavior = 'WHEN_NO_MATCH')],
  };
  for (const [rule, [type, harm]] of Object.entries(damage)) {
    it(`finds what breaks ${rule}`, () => {
      const template = structuredClone(templateOf('standard').json) as { Resources: Record<string, { Type: string; Properties: unknown }> };
      const resource = Object.values(template.Resources).find(({ Type, Properties }) => Type === type && (type !== 'AWS::IAM::Role' || 'Policies' in (Properties as object)));
      assert.ok(resource);
      harm(resource.Properties, resource);
      assert.match(broken(template) ?? 'nothing was found', new RegExp(`${rule}\\b.*FAIL`));
    });
  }

  it('has damage for every rule', () => {
    const rules = [...file('deploy/rules/longshore.guard').matchAll(/^rule (\w+)/gm)].map(([, rule]) => rule);
    assert.deepEqual(rules.sort(), Object.keys(damage).sort());
  });
});
