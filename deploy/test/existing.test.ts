// What is there already: it is used and not made again; and what is made stands beside that of other stages.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readSettings } from '../app/read_settings.ts';
import { synthesize } from '../app/synth.ts';
import { SHAPES } from './shapes.ts';
import { templateOf, templatesOf } from './template_of.ts';

const ARN = (service: string, name: string) => `arn:aws:${service}:eu-west-1:123456789012:${name}`;
const BASE = SHAPES['standard'] ?? {};

describe('what is there already', () => {
  const template = templateOf('there');
  const variables = Object.fromEntries(template.only('AWS::ECS::TaskDefinition').ContainerDefinitions[0].Environment.map(({ Name, Value }: { Name: string; Value: unknown }) => [Name, Value]));
  const statements: { Action: string | string[]; Resource: unknown }[] = template.resource('TaskRole').Policies[0].PolicyDocument.Statement;
  const on = (action: string) => statements.filter(({ Action }) => [Action].flat().includes(action)).flatMap(({ Resource }) => Resource);

  it('is not made again', () => {
    for (const type of ['AWS::SQS::Queue', 'AWS::KMS::Key', 'AWS::SNS::Topic', 'AWS::ECS::Cluster', 'AWS::ApiGateway::Account', 'AWS::EC2::VPC']) assert.deepEqual(template.all(type), [], type);
  });

  it('is what the APIs send to, a FIFO queue by groups', () => {
    const [, integration] = template.all('AWS::ApiGatewayV2::Integration')[0] ?? assert.fail('none');
    assert.deepEqual(integration.Properties.RequestParameters.QueueUrl, { 'Fn::Sub': 'https://sqs.eu-west-1.${AWS::URLSuffix}/123456789012/incoming.fifo' });
    assert.ok('MessageGroupId' in integration.Properties.RequestParameters);
    assert.deepEqual(template.resource('ApiRole').Policies[0].PolicyDocument.Statement.map(({ Resource }: { Resource: unknown }) => Resource), [ARN('sqs', 'incoming.fifo'), ARN('kms', 'key/0123')]);
  });

  it('is what the workers may use, and nothing else', () => {
    assert.deepEqual(on('sqs:ReceiveMessage'), [ARN('sqs', 'incoming.fifo'), ARN('sqs', 'letters'), ARN('sqs', 'bounces.fifo'), ARN('sqs', 'returns')]);
    assert.deepEqual(on('sqs:SendMessage'), [ARN('sqs', 'incoming-dead.fifo'), ARN('sqs', 'letters-dead')]);
    assert.deepEqual(on('sns:Publish'), [ARN('sns', 'outcomes')]);
    assert.deepEqual(on('kms:Decrypt'), [ARN('kms', 'key/0123'), ARN('kms', 'key/4567')]);
    assert.match(JSON.stringify(on('ecs:UpdateTaskProtection')), /:task\/shared\/\*/);
  });

  it('is where the service runs: by launch type, since the cluster may have other capacity providers, and with an address', () => {
    const service = template.only('AWS::ECS::Service');
    assert.deepEqual([service.Cluster, service.LaunchType, service.CapacityProviderStrategy], ['shared', 'FARGATE', undefined]);
    assert.equal(service.NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp, 'ENABLED');
    assert.equal(template.only('AWS::ApplicationAutoScaling::ScalableTarget').ResourceId, 'service/shared/orders-test-worker');
  });

  it('is whom the alarms tell', () => {
    for (const [id, { Properties }] of template.all('AWS::CloudWatch::Alarm')) if (Properties.OKActions !== undefined) assert.deepEqual(Properties.OKActions, [ARN('sns', 'pager')], id);
  });

  it('can be several queues, each with its own settings, its scaling out and its alarms', () => {
    assert.deepEqual([variables['LONGSHORE__QUEUES__LETTERS__CONCURRENCY'], variables['LONGSHORE__QUEUES__LETTERS__TIMEOUT']], ['2', '7200s']);
    assert.equal(variables['LONGSHORE__QUEUES__LETTERS__HANDLER__URL'], variables['LONGSHORE__QUEUES__JOBS__HANDLER__URL']);
    assert.equal(variables['LONGSHORE__QUEUES__BOUNCES__HANDLER__COMMAND'], '/app/bounce');
    const alarms = template.all('AWS::CloudWatch::Alarm').map(([, { Properties }]) => Properties.AlarmName.replace('orders-test-', ''));
    for (const name of ['scale-out', 'scale-out-letters', 'scale-out-bounces', 'stalled-letters', 'oldest-message-bounces', 'dlq-not-empty-letters']) assert.ok(alarms.includes(name), name);
    assert.ok(!alarms.includes('dlq-not-empty-bounces'));
    assert.equal(alarms.filter((name) => name === 'scale-in').length, 1);
  });

  it('can be an image of another account, or behind a pull-through cache', () => {
    const pull = (shape: string): any[] => templateOf(shape).resource('ExecutionRoleDefaultPolicy').PolicyDocument.Statement.filter(({ Action }: { Action: string[] }) => Action.includes('ecr:BatchGetImage'));
    const [there] = pull('there');
    assert.deepEqual(there.Resource, { 'Fn::Sub': 'arn:${AWS::Partition}:ecr:eu-west-1:210987654321:repository/mirror/longshore' });
    assert.ok(there.Action.includes('ecr:BatchImportUpstreamImage'));
    assert.ok(!pull('standard')[0].Action.includes('ecr:BatchImportUpstreamImage'));
  });

  it('tags everything that takes tags', () => {
    for (const type of ['AWS::ECS::Service', 'AWS::ECS::TaskDefinition', 'AWS::IAM::Role', 'AWS::Logs::LogGroup', 'AWS::ApiGateway::RestApi']) {
      for (const [id, { Properties }] of template.all(type)) assert.match(JSON.stringify(Properties.Tags), /"Key":"team","Value":"orders"/, id);
    }
  });

  it('does not go with what would be made', () => {
    const refused = (details: object, texts: Record<string, string> = {}) => () => readSettings({ ...BASE, ...texts, DETAILS: JSON.stringify(details) });
    assert.throws(refused({ existing: { queue: ARN('sqs', 'a') }, subscriptions: [{ topic: ARN('sns', 'b') }] }), /subscriptions go with a queue that is made here/);
    assert.throws(refused({ existing: { dlq: ARN('sqs', 'a') } }), /existing\.dlq goes with existing\.queue/);
    assert.throws(refused({ queues: [{ name: 'jobs', queue: ARN('sqs', 'a') }] }), /the name "jobs"/);
    assert.throws(refused({ network: { publicIp: true } }), /publicIp goes with NETWORK=existing/);
  });
});

it('topics send to the queue by their filters, and no others may', () => {
  const { queue } = templatesOf('subscribed');
  const subscriptions = queue.all('AWS::SNS::Subscription').map(([, { Properties }]) => Properties);
  assert.deepEqual(subscriptions.map(({ FilterPolicy, FilterPolicyScope, RawMessageDelivery }) => [FilterPolicy, FilterPolicyScope, RawMessageDelivery]), [
    [{ type: ['order'] }, undefined, true],
    [{ detail: { type: ['order'] } }, 'MessageBody', undefined],
  ]);
  const allowed = queue.resource('QueuePolicy').PolicyDocument.Statement.filter(({ Effect }: { Effect: string }) => Effect === 'Allow');
  assert.deepEqual(allowed.map(({ Condition, Principal }: any) => [Condition, Principal]), [[{ ArnEquals: { 'aws:SourceArn': [ARN('sns', 'events'), ARN('sns', 'others')] } }, { Service: 'sns.amazonaws.com' }]]);
  assert.match(JSON.stringify(queue.resource('Key').KeyPolicy), /"Service":"sns\.amazonaws\.com"/);
});

it('data goes with its stack where the settings say so', () => {
  const { queue } = templatesOf('throwaway');
  for (const [id, { DeletionPolicy }] of [...queue.all('AWS::SQS::Queue'), ...queue.all('AWS::KMS::Key')]) assert.equal(DeletionPolicy, 'Delete', id);
});

it('two stages stand beside each other: they share no name', () => {
  const names = (stage: string) => new Set([...JSON.stringify(synthesize({ ...BASE, STAGE: stage }, 'written')).matchAll(/"(?:\w*Name|Family)":"([^"]*orders[^"]*)"/g)].map(([, name]) => name));
  const [dev, prod] = [names('dev'), names('prod')];
  assert.ok(dev.size > 20);
  assert.deepEqual([...dev].filter((name) => prod.has(name)), []);
});
