// The fleet: its tasks, its roles and its network.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { WORKER_ACTIONS } from '../lib/service/roles.ts';
import { calledActions } from './called_actions.ts';
import { SHAPES } from './shapes.ts';
import { file } from './source.ts';
import { templateOf } from './template_of.ts';

interface Container {
  readonly Name: string;
  readonly Essential: boolean;
  readonly RestartPolicy?: { readonly Enabled: boolean };
  readonly StopTimeout: number;
  readonly ReadonlyRootFilesystem: boolean;
  readonly DependsOn?: { ContainerName: string }[];
  readonly Environment?: { Name: string; Value: unknown }[];
  readonly HealthCheck?: { Command: string[] };
  readonly LinuxParameters: { readonly InitProcessEnabled: boolean };
  readonly MountPoints?: { readonly SourceVolume: string; readonly ContainerPath: string }[];
}

/** All but a router of logs, which is AWS's own. */
const containers = (shape: string) =>
  (templateOf(shape).only('AWS::ECS::TaskDefinition').ContainerDefinitions as Container[]).filter(({ Name }) => Name !== 'log-router');
const shapes = Object.keys(SHAPES);
const variables = (container: Container | undefined) => Object.fromEntries((container?.Environment ?? []).map(({ Name, Value }) => [Name, Value]));
const unique = <Value>(value: Value, index: number, all: readonly Value[]) => all.indexOf(value) === index;

it('the task role allows exactly the actions that the worker calls', () => {
  assert.deepEqual(Object.values(WORKER_ACTIONS).flat().filter(unique).sort(), calledActions());
});

it('each action is allowed on its own resource only', () => {
  const statements: { Action: string | string[]; Resource: unknown }[] = templateOf('standard').resource('TaskRole').Policies[0].PolicyDocument.Statement;
  const on = (id: string) => statements.filter(({ Resource }) => JSON.stringify(Resource).includes(`:orders-test-${id}"`)).flatMap(({ Action }) => Action);
  assert.deepEqual(on('queue'), WORKER_ACTIONS.queue);
  assert.deepEqual(on('dlq'), WORKER_ACTIONS.dlq);
  assert.deepEqual(on('topic'), WORKER_ACTIONS.topic);
});

it('a worker that tells no topic may publish to none', () => {
  assert.doesNotMatch(JSON.stringify(templateOf('public').resource('TaskRole')), /sns:Publish/);
});

it('every variable of the worker is one of docs/configuration.md', () => {
  const known = new Set([...file('docs/configuration.md').matchAll(/`(LONGSHORE__[A-Z0-9_<>]+)`/g)].map(([, name]) => name));
  for (const shape of shapes) {
    for (const { Name } of containers(shape)[0]?.Environment ?? []) {
      if (!Name.startsWith('OTEL_')) assert.ok(known.has(Name.replace(/__QUEUES__[A-Z]+__/, '__QUEUES__<NAME>__')), Name);
    }
  }
});

it('the settings of a handler become variables, lists with commas', () => {
  const handler = variables(containers('exec')[0]);
  assert.equal(handler['LONGSHORE__QUEUES__JOBS__HANDLER__KIND'], 'exec');
  assert.equal(handler['LONGSHORE__QUEUES__JOBS__HANDLER__COMMAND'], '/app/job,--fast');
  assert.equal(handler['LONGSHORE__QUEUES__JOBS__HANDLER__REJECT'], '65,66');
});

it('every container has 120 s to stop and a root file system that it cannot write to', () => {
  for (const shape of shapes) {
    for (const { Name, StopTimeout, ReadonlyRootFilesystem } of containers(shape)) {
      // The shell's agent writes to the root file system.
      assert.deepEqual([StopTimeout, ReadonlyRootFilesystem === true], [120, shape !== 'shell'], `${shape}: ${Name}`);
    }
  }
});

it('the worker knows how long ECS gives it to stop, and its drain limit follows from that', () => {
  const [worker] = containers('standard');
  assert.equal(variables(worker)['LONGSHORE__ECS__STOP_TIMEOUT'], `${worker?.StopTimeout}s`);
  assert.equal(variables(worker)['LONGSHORE__DRAIN__LIMIT'], undefined);
});

it('every container has a first process that reaps the others, and temporary files of its own', () => {
  for (const shape of shapes) {
    const task = templateOf(shape).only('AWS::ECS::TaskDefinition');
    const mounted = containers(shape).flatMap(({ MountPoints = [] }) => MountPoints);
    assert.ok(containers(shape).every(({ LinuxParameters }) => LinuxParameters.InitProcessEnabled), shape);
    assert.deepEqual(mounted.map(({ SourceVolume }) => SourceVolume), task.Volumes.map(({ Name }: { Name: string }) => Name));
    const temporary = mounted.filter(({ SourceVolume }) => SourceVolume.endsWith('tmp'));
    assert.deepEqual(temporary.map(({ ContainerPath }) => ContainerPath), containers(shape).slice(0, 2).map(() => '/tmp'));
  }
});

it('the worker and its handler trace to the collector beside them, and nowhere without one', () => {
  const traced = (shape: string) =>
    containers(shape).map((container) => Object.fromEntries(Object.entries(variables(container)).filter(([name]) => name.startsWith('OTEL_'))));
  const to = (service: unknown) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_SERVICE_NAME: service });
  assert.deepEqual(traced('collector'), [to('orders-test-worker'), to('orders-test-worker-handler'), {}]);
  assert.deepEqual(traced('standard'), [{}, {}]);
  assert.match(String(variables(containers('collector')[2])['AOT_CONFIG_CONTENT']), /127\.0\.0\.1:4317.*127\.0\.0\.1:4318/);
});

it('the worker is asked by its own program whether it is healthy', () => {
  assert.deepEqual(containers('standard')[0]?.HealthCheck?.Command, ['CMD', 'longshore', 'healthcheck']);
});

it('what runs beside the worker outlives it, and is started again when it fails', () => {
  for (const shape of shapes) {
    const [worker, ...helpers] = containers(shape);
    assert.equal(worker?.Essential, true);
    assert.deepEqual(worker?.DependsOn?.map(({ ContainerName }) => ContainerName) ?? [], helpers.map(({ Name }) => Name));
    assert.ok(helpers.every(({ Essential, RestartPolicy }) => !Essential && RestartPolicy?.Enabled));
    assert.equal(worker?.RestartPolicy, undefined, 'it would start the old revision again');
  }
  assert.deepEqual(containers('collector').map(({ Name }) => Name), ['worker', 'handler', 'collector']);
  assert.deepEqual(containers('exec').map(({ Name }) => Name), ['worker']);
});

it('a deployment that fails is rolled back, and none undoes the scaling', () => {
  for (const shape of shapes) {
    const service = templateOf(shape).only('AWS::ECS::Service');
    assert.deepEqual(service.DeploymentConfiguration.DeploymentCircuitBreaker, { Enable: true, Rollback: true });
    assert.equal(service.DesiredCount, undefined);
    assert.equal(service.AvailabilityZoneRebalancing, 'DISABLED');
  }
});

it('the share of Spot is what the settings say', () => {
  const strategy = (shape: string) => templateOf(shape).only('AWS::ECS::Service').CapacityProviderStrategy;
  assert.deepEqual(strategy('spot'), [{ CapacityProvider: 'FARGATE', Weight: 25 }, { CapacityProvider: 'FARGATE_SPOT', Weight: 75 }]);
  assert.deepEqual(strategy('standard').map(({ Weight }: { Weight: number }) => Weight), [100, 0]);
});

it('a private network has doors to all that a task needs, and no internet', () => {
  const template = templateOf('collector');
  const services = template.all('AWS::EC2::VPCEndpoint').map(([, { Properties }]) => Properties.ServiceName['Fn::Sub'].replace('com.amazonaws.${AWS::Region}.', ''));
  assert.deepEqual(services.sort(), ['ecr.api', 'ecr.dkr', 'logs', 's3', 'sns', 'sqs', 'xray']);
  assert.equal(template.all('AWS::EC2::InternetGateway').length, 0);
  assert.equal(template.only('AWS::ECS::Service').NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp, 'DISABLED');
});

it('a public network lets tasks out, and nothing in', () => {
  const template = templateOf('public');
  assert.equal(template.only('AWS::ECS::Service').NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp, 'ENABLED');
  assert.equal(template.only('AWS::EC2::SecurityGroup').SecurityGroupIngress, undefined);
  assert.equal(template.all('AWS::EC2::InternetGateway').length, 1);
});

it('an existing network is used as it is', () => {
  const template = templateOf('groups');
  const network = template.only('AWS::ECS::Service').NetworkConfiguration.AwsvpcConfiguration;
  assert.deepEqual([network.Subnets, network.SecurityGroups], [['subnet-0123456789abcdef0'], ['sg-0123456789abcdef0']]);
  for (const type of ['AWS::EC2::VPC', 'AWS::EC2::SecurityGroup', 'AWS::EC2::VPCEndpoint']) assert.deepEqual(template.all(type), []);
  assert.equal(templateOf('existing').only('AWS::EC2::SecurityGroup').VpcId, 'vpc-0123456789abcdef0');
});

it('the roles of tasks are taken by ECS for resources of this account and region only', () => {
  for (const id of ['TaskRole', 'ExecutionRole']) {
    const [{ Condition }] = templateOf('standard').resource(id).AssumeRolePolicyDocument.Statement;
    assert.deepEqual(Condition, {
      StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
      ArnLike: { 'aws:SourceArn': { 'Fn::Sub': 'arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:*' } },
    });
  }
});

it('the role of ECS is made where the settings say so, before the cluster, and stays with the account', () => {
  const template = templateOf('first');
  const [[id, role] = assert.fail('none')] = template.all('AWS::IAM::ServiceLinkedRole');
  assert.deepEqual([role.Properties, role.DeletionPolicy, role.Condition], [{ AWSServiceName: 'ecs.amazonaws.com' }, 'Retain', undefined]);
  assert.deepEqual(template.all('AWS::ECS::Cluster').map(([, { DependsOn }]) => DependsOn), [[id]]);
  for (const shape of shapes.filter((name) => name !== 'first')) assert.deepEqual(templateOf(shape).all('AWS::IAM::ServiceLinkedRole'), [], shape);
});
