// The details: what is wrong with them is said by its path, and what they say is in the templates.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { detailsTable } from '../app/details.ts';
import { readSettings } from '../app/read_settings.ts';
import { SHAPES } from './shapes.ts';
import { file } from './source.ts';
import { templateOf } from './template_of.ts';

const FINE = SHAPES['standard'] ?? {};

function refusal(details: unknown, texts: Record<string, string> = {}): string {
  try {
    readSettings({ ...FINE, ...texts, DETAILS: JSON.stringify(details) });
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('what is wrong with the details', () => {
  const refused: [unknown, RegExp][] = [
    [{ workers: {} }, /DETAILS: workers is not known: there are worker, handler, task, network/],
    [{ worker: { environment: { 'A-B': 'x' } } }, /DETAILS: worker\.environment has "A-B": a name must be/],
    [{ handler: { secrets: { DB: 'hunter2' } } }, /DETAILS: handler\.secrets\.DB is "hunter2": it must be the ARN of a secret/],
    [{ handler: { fileSystems: [{ path: '/data' }] } }, /DETAILS: handler\.fileSystems\[0\]\.id is missing: it must be the id of a file system/],
    [{ handler: { healthCheck: { command: 'CMD' } } }, /DETAILS: handler\.healthCheck\.command is "CMD": it must be a list/],
    [{ task: { statements: [{ actions: ['s3:*'], resources: ['*'] }] } }, /DETAILS: task\.statements\[0\]\.actions\[0\] is "s3:\*": it must be an action without a wildcard/],
    [{ task: { ephemeralStorage: 20 } }, /DETAILS: task\.ephemeralStorage is 20: it must be a whole number from 21 to 200/],
    [[], /DETAILS is "\[\]"/],
  ];
  for (const [details, expected] of refused) it(`is said: ${expected.source}`, () => assert.match(refusal(details), expected));

  it('is said all at once', () => assert.equal(refusal({ a: 1, b: 2, task: { c: 3 } }).split('\n').length, 4));

  it('is what goes with other settings', () => {
    assert.match(refusal({ network: { endpoints: ['ssm'] } }, { NETWORK: 'public' }), /network\.endpoints and network\.policies go with NETWORK=private/);
    assert.match(refusal({ handler: {} }, { HANDLER_IMAGE: '', HANDLER: '{"kind": "exec"}' }), /handler goes with HANDLER_IMAGE/);
  });
});

it('the details can be in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-details-'));
  const path = join(folder, 'details.json');
  writeFileSync(path, '{"task": {"ephemeralStorage": 50}}\n');
  assert.match(readSettings({ ...FINE, DETAILS: path }).DETAILS ?? '', /50/);
  rmSync(folder, { recursive: true });
  assert.throws(() => readSettings({ ...FINE, DETAILS: path }), /DETAILS is .*: it must be a JSON object, or the path of a file/);
});

it('the page on settings has every field of the details: `npm run template` writes them anew', () => {
  assert.ok(file('docs/deploy-settings.md').includes(`\n${detailsTable()}\n`));
});

describe('a handler with all its details', () => {
  const template = templateOf('handler');
  const task = template.only('AWS::ECS::TaskDefinition');
  const [worker, handler] = task.ContainerDefinitions;
  const allowed = (id: string): { Action: string | string[]; Resource: unknown }[] => template.resource(id).PolicyDocument.Statement;
  const resourcesOf = (id: string, action: string) => allowed(id).filter(({ Action }) => [Action].flat().includes(action)).flatMap(({ Resource }) => Resource);

  it('gets variables and secrets, and the execution role may read these and no others', () => {
    assert.deepEqual(handler.Environment, [{ Name: 'MODE', Value: 'fast' }]);
    assert.deepEqual(handler.Secrets, [{ Name: 'DB_PASSWORD', ValueFrom: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-AbC123:password::' }]);
    assert.deepEqual(worker.Secrets.map(({ Name }: { Name: string }) => Name), ['LONGSHORE_TOKEN']);
    const may = 'ExecutionRoleDefaultPolicy';
    assert.deepEqual(resourcesOf(may, 'secretsmanager:GetSecretValue'), ['arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-AbC123']);
    assert.deepEqual(resourcesOf(may, 'ssm:GetParameters'), ['arn:aws:ssm:eu-west-1:123456789012:parameter/orders/token']);
    assert.deepEqual(resourcesOf(may, 'kms:Decrypt'), ['arn:aws:kms:eu-west-1:123456789012:key/0123']);
    assert.doesNotMatch(JSON.stringify([template.resource('TaskRole'), allowed('TaskRoleDefaultPolicy')]), /secretsmanager|ssm:/);
  });

  it('is waited for until it is healthy', () => {
    assert.deepEqual(worker.DependsOn, [{ Condition: 'HEALTHY', ContainerName: 'handler' }]);
    assert.deepEqual(handler.HealthCheck, { Command: ['CMD', '/healthy'], Interval: 10, Retries: 3, StartPeriod: 0, Timeout: 5 });
  });

  it('has its command, its user, its limits and its disk', () => {
    assert.deepEqual([handler.Command, handler.User, task.EphemeralStorage], [['serve', '--port', '8080'], '1000:1000', { SizeInGiB: 50 }]);
    assert.deepEqual(handler.Ulimits, [{ Name: 'nofile', SoftLimit: 4096, HardLimit: 4096 }]);
    assert.equal(handler.LogConfiguration.Options['max-buffer-size'], '26214400b');
  });

  it('mounts file systems over TLS, by the task role and from the security group of the tasks', () => {
    const { EFSVolumeConfiguration: volume } = task.Volumes.find(({ Name }: { Name: string }) => Name === 'handler-efs-1');
    assert.deepEqual([volume.TransitEncryption, volume.AuthorizationConfig], ['ENABLED', { AccessPointId: 'fsap-0123456789abcdef0', IAM: 'ENABLED' }]);
    assert.ok(handler.MountPoints.some(({ ContainerPath }: { ContainerPath: string }) => ContainerPath === '/data'));
    const ports = template.all('AWS::EC2::SecurityGroupIngress').map(([, { Properties }]) => [Properties.GroupId, Properties.FromPort]);
    assert.deepEqual(ports, [['sg-0123456789abcdef0', 2049]]);
    assert.deepEqual(resourcesOf('TaskRoleDefaultPolicy', 'elasticfilesystem:ClientMount').length, 1);
  });

  it('may do what the statements and the policies say', () => {
    assert.deepEqual(resourcesOf('TaskRoleDefaultPolicy', 's3:PutObject'), ['arn:aws:s3:::orders-archive/in']);
    assert.deepEqual(template.resource('TaskRole').ManagedPolicyArns, ['arn:aws:iam::123456789012:policy/orders-table']);
  });

  it('reaches more services by endpoints, with the policies that are given', () => {
    const doors = template.all('AWS::EC2::VPCEndpoint').map(([, { Properties }]) => [Properties.ServiceName['Fn::Sub'].replace('com.amazonaws.${AWS::Region}.', ''), Properties.VpcEndpointType, Properties.PolicyDocument?.Statement[0].Action]);
    for (const [name, kind, action] of [['secretsmanager', 'Interface'], ['ssm', 'Interface'], ['elasticfilesystem', 'Interface'], ['dynamodb', 'Gateway'], ['s3', 'Gateway', 's3:GetObject']]) {
      assert.deepEqual(doors.filter(([found]) => found === name), [[name, kind, action]]);
    }
  });
});

describe('a task with a shell and a router of logs', () => {
  const template = templateOf('shell');
  const containers: any[] = template.only('AWS::ECS::TaskDefinition').ContainerDefinitions;

  it('lets execute-command in, and gives it what its agent needs', () => {
    assert.equal(template.only('AWS::ECS::Service').EnableExecuteCommand, true);
    assert.ok(containers.every(({ ReadonlyRootFilesystem }) => ReadonlyRootFilesystem !== true));
    assert.match(JSON.stringify(template.resource('TaskRole')), /ssmmessages:OpenDataChannel/);
    assert.match(JSON.stringify(template.resource('Endpointssmmessages')), /ssmmessages/);
    assert.equal(templateOf('standard').only('AWS::ECS::Service').EnableExecuteCommand, undefined);
  });

  it('sends the log of every other container through the router', () => {
    const drivers = Object.fromEntries(containers.map(({ Name, LogConfiguration }) => [Name, LogConfiguration.LogDriver]));
    assert.deepEqual(drivers, { 'log-router': 'awslogs', worker: 'awsfirelens', handler: 'awsfirelens' });
    assert.equal(containers.find(({ Name }) => Name === 'worker').LogConfiguration.Options.Host, 'logs.example.com');
  });
});
