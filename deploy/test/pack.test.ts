// The module that `npm pack` makes, in an app of its own: it is typed, and synthesizes two services in one stack.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Template } from './template_of.ts';

const DEPLOY = fileURLToPath(new URL('../../', import.meta.url));
/** What a team's app brings itself, and what checks it here. */
const BROUGHT = ['aws-cdk-lib', 'constructs', '@types'];

describe('the packed module', () => {
  const team = mkdtempSync(join(tmpdir(), 'longshore-pack-'));
  const modules = join(team, 'node_modules');
  const run = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: team, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, CDK_OUTDIR: join(team, 'cdk.out') } });

  before(() => {
    execFileSync('npm', ['pack', '--silent', '--pack-destination', team], { cwd: DEPLOY, stdio: ['ignore', 'ignore', 'inherit'] });
    const [packed] = readdirSync(team).filter((name) => name.endsWith('.tgz'));
    writeFileSync(join(team, 'package.json'), '{"private": true}');
    run('npm', 'install', '--offline', '--silent', '--no-audit', '--no-fund', '--legacy-peer-deps', join(team, packed ?? assert.fail('nothing was packed')));
    for (const name of BROUGHT) symlinkSync(join(DEPLOY, 'node_modules', name), join(modules, name));
    copyFileSync(join(DEPLOY, 'test/scratch/app.mts'), join(team, 'app.mts'));
  });

  after(() => rmSync(team, { recursive: true }));

  it('has the constructs and their templates, and nothing of the app or the tests', () => {
    const root = join(modules, 'longshore-cdk');
    assert.deepEqual(readdirSync(root).sort(), ['README.md', 'dist', 'package.json', 'templates']);
    const { exports: door, peerDependencies, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    assert.deepEqual([Object.keys(peerDependencies), dependencies], [['aws-cdk-lib', 'constructs'], undefined]);
    for (const path of Object.values<string>(door['.'])) assert.ok(readFileSync(join(root, path)).length > 0, path);
  });

  it('is typed, and synthesizes two services in one stack', () => {
    run(process.execPath, join(DEPLOY, 'node_modules/typescript/bin/tsc'), '--module', 'nodenext', '--target', 'es2023', '--strict', '--skipLibCheck', '--types', 'node', 'app.mts');
    run(process.execPath, 'app.mjs');
    const template = new Template(JSON.parse(readFileSync(join(team, 'cdk.out/Team.template.json'), 'utf8')));
    const names = template.all('AWS::ECS::Service').map(([, { Properties }]) => [Properties.ServiceName, Properties.LaunchType]);
    assert.deepEqual(names, [['orders-prod-worker', undefined], ['mail-prod-worker', 'FARGATE']]);
    const alarms = template.all('AWS::CloudWatch::Alarm').map(([, { Properties }]) => Properties.AlarmName);
    assert.equal(new Set(alarms).size, alarms.length);
    for (const name of ['orders-prod-dlq-not-empty', 'mail-prod-scale-out', 'mail-prod-scale-out-bounces', 'mail-prod-stalled-bounces']) assert.ok(alarms.includes(name), name);
    assert.match(JSON.stringify(template.json['Mappings']), /X-Message-Group-Id/i, 'the mapping templates came with it');
  });

  it('can be required, too', () => {
    mkdirSync(join(team, 'common'), { recursive: true });
    writeFileSync(join(team, 'common/app.cjs'), `const { LongshoreService } = require('longshore-cdk'); console.log(typeof LongshoreService);`);
    assert.match(run(process.execPath, 'common/app.cjs'), /^function/);
  });
});
