// The fleet: its tasks, its roles and its network.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { WORKER_ACTIONS } from '../lib/task/roles.ts';
import { SHAPES } from './shapes.ts';
import { file, source } from './source.ts';
import { templateOf } from './template_of.ts';

interface Container {
  readonly Name: string;
  readonly Essential: boolean;
  readonly StopTimeout: number;
  readonly ReadonlyRootFilesystem: boolean;
  readonly DependsOn?: { ContainerName: string }[];
  readonly Environment?: { Name: string; Value: unknown }[];
  readonly HealthCheck?: { Command: string[] };
}

const containers = (shape: string) => templateOf(shape).only('AWS::ECS::TaskDefinition').ContainerDefinitions as Container[];
const shapes = Object.keys(SHAPES);

/** The worker's calls of the SDK, and the actions that IAM knows them by. */
const ACTION_OF_CALL: Readonly<Record<string, string>> = {
  receive_message: 'sqs:ReceiveMessage',
  delete_message_batch: 'sqs:DeleteMessage',
  change_message_visibility_batch: 'sqs:ChangeMessageVisibility',
  send_message_batch: 'sqs:SendMessage',
  get_queue_attributes: 'sqs:GetQueueAttributes',
  get_queue_url: 'sqs:GetQueueUrl',
  publish: 'sns:Publish',
  get_topic_attributes: 'sns:GetTopicAttributes',
};

it('the task role allows exactly the actions that the worker calls', () => {
  const calls = [...source('src/queue/sqs', 'src/topic').matchAll(/(?:clients\.\w+|client\(\)\.await|^)\s*\.(\w+)\(\)/gm)].map(([, call]) => call ?? '');
  const called = new Set(calls.filter((call) => call in ACTION_OF_CALL).map((call) => ACTION_OF_CALL[call]));
  const { queue, dlq, topic } = WORKER_ACTIONS;
  assert.deepEqual([...new Set([...queue, ...dlq, ...topic])].sort(), [...called].sort());
  assert.equal(called.size, Object.keys(ACTION_OF_CALL).length);
});

it('no call of the SDK is unknown to that list', () => {
  const text = source('src/queue/sqs', 'src/topic/');
  const calls = [...text.matchAll(/(?:clients\.(?:call|receive)|client\(\)\.await)\s*\.(\w+)\(\)/g)].map(([, call]) => call ?? '');
  assert.ok(calls.length >= 6, 'the calls were found');
  for (const call of calls) assert.ok(call in ACTION_OF_CALL, call);
});

it('each action is allowed on its own resource only', () => {
  const statements: { Action: string | string[]; Resource: unknown }[] = templateOf('standard').resource('TaskRole').Policies[0].PolicyDocument.Statement;
  const on = (id: string) => statements.filter(({ Resource }) => JSON.stringify(Resource).includes(`"${id}"`)).flatMap(({ Action }) => Action);
  assert.deepEqual(on('Queue'), WORKER_ACTIONS.queue);
  assert.deepEqual(on('Dlq'), WORKER_ACTIONS.dlq);
  assert.deepEqual(on('Topic'), WORKER_ACTIONS.topic);
});

it('a worker that tells no topic may publish to none', () => {
  assert.doesNotMatch(JSON.stringify(templateOf('public').resource('TaskRole')), /sns:Publish/);
});

it('every variable of the worker is one of docs/configuration.md', () => {
  const known = new Set([...file('docs/configuration.md').matchAll(/`(LONGSHORE__[A-Z0-9_<>]+)`/g)].map(([, name]) => name));
  for (const shape of shapes) {
    for (const { Name } of containers(shape)[0]?.Environment ?? []) {
      if (!Name.startsWith('OTEL_')) assert.ok(known.has(Name.replace('__JOBS__', '__<NAME>__')), Name);
    }
  }
});

it('the settings of a handler become variables, lists with commas', () => {
  const variables = Object.fromEntries((containers('exec')[0]?.Environment ?? []).map(({ Name, Value }) => [Name, Value]));
  assert.equal(variables['LONGSHORE__QUEUES__JOBS__HANDLER__KIND'], 'exec');
  assert.equal(variables['LONGSHORE__QUEUES__JOBS__HANDLER__COMMAND'], '/app/job,--fast');
  assert.equal(variables['LONGSHORE__QUEUES__JOBS__HANDLER__REJECT'], '65,66');
});

it('every container has 120 s to stop and a root file system that it cannot write to', () => {
  for (const shape of shapes) {
    for (const { Name, StopTimeout, ReadonlyRootFilesystem } of containers(shape)) {
      assert.deepEqual([StopTimeout, ReadonlyRootFilesystem], [120, true], `${shape}: ${Name}`);
    }
  }
});

it('the worker is done before ECS kills it', () => {
  const limit = containers('standard')[0]?.Environment?.find(({ Name }) => Name === 'LONGSHORE__DRAIN__LIMIT');
  assert.ok(Number.parseInt(String(limit?.Value), 10) < 120);
});

it('the worker is asked by its own program whether it is healthy', () => {
  assert.deepEqual(containers('standard')[0]?.HealthCheck?.Command, ['CMD', 'longshore', 'healthcheck']);
});

it('what runs beside the worker outlives it', () => {
  for (const shape of shapes) {
    const [worker, ...helpers] = containers(shape);
    assert.equal(worker?.Essential, true);
    assert.deepEqual(worker?.DependsOn?.map(({ ContainerName }) => ContainerName) ?? [], helpers.map(({ Name }) => Name));
    assert.ok(helpers.every(({ Essential }) => !Essential));
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
