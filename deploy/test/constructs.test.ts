// The constructs by themselves: what they refuse, and what they leave out.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { App, Stack } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import { ContainerImage } from 'aws-cdk-lib/aws-ecs';
import { type IQueue, Queue } from 'aws-cdk-lib/aws-sqs';
import { LongshoreService, type LongshoreServiceProps, SqsApi, type SqsApiProps, type WorkQueue } from '../lib/index.ts';
import { Template } from './template_of.ts';

const HANDLER = { kind: 'exec', command: ['/app/job'] };

function inStack(make: (stack: Stack) => void): Template {
  const app = new App({ analyticsReporting: false });
  const stack = new Stack(app, 'Team');
  make(stack);
  return new Template(app.synth().getStackArtifact(stack.artifactId).template as Record<string, unknown>);
}

const queueOf = (stack: Stack, name: string): IQueue => Queue.fromQueueArn(stack, name, `arn:aws:sqs:eu-west-1:123456789012:${name}`);

function service(stack: Stack, names: readonly string[], change: Partial<LongshoreServiceProps> = {}): LongshoreService {
  const queues = names.map((name, index): WorkQueue => ({ name, queue: queueOf(stack, `${name}${index}`), handler: HANDLER }));
  return new LongshoreService(stack, 'Workers', {
    prefix: 'team',
    queues: queues as [WorkQueue, ...WorkQueue[]],
    worker: { image: ContainerImage.fromRegistry('longshore') },
    vpc: Vpc.fromVpcAttributes(stack, 'Vpc', { vpcId: 'vpc-0123456789abcdef0', availabilityZones: ['a'], privateSubnetIds: ['subnet-0123456789abcdef0'] }),
    ...change,
  });
}

describe('a LongshoreService', () => {
  const refused: [string, readonly string[], Partial<LongshoreServiceProps>, RegExp][] = [
    ['more than four queues', ['a', 'b', 'c', 'd', 'e'], {}, /queues: a service takes 1 to 4 queues, not 5: make another service/],
    ['two queues of one name', ['a', 'a'], {}, /queues: two are called "a": give each a name of its own/],
    ['a name that is no variable', ['A-b'], {}, /the name "A-b" must be lower-case letters/],
    ['more tasks at least than at most', ['a'], { minTasks: 3, maxTasks: 2 }, /minTasks is 3, which is more than maxTasks, 2/],
    ['more metrics than an alarm takes', ['a'], { arrivals: Array.from({ length: 9 }, () => new Metric({ namespace: 'n', metricName: 'm' })) }, /arrivals: 9 are too many: .* room for 7/],
  ];
  for (const [what, names, change, message] of refused) it(`refuses ${what}`, () => assert.throws(() => inStack((stack) => void service(stack, names, change)), message));

  it('refuses a queue without a handler', () => {
    assert.throws(() => inStack((stack) => void service(stack, ['a'], { queues: [{ name: 'a', queue: queueOf(stack, 'bare') }] })), /queues: a has no handler: give it one, or a container in handlers/);
  });

  it('takes four queues, and no alarm looks at more than ten metrics', () => {
    const template = inStack((stack) => void service(stack, ['a', 'b', 'c', 'd'], { arrivals: [1, 2, 3, 4].map(() => new Metric({ namespace: 'n', metricName: 'm' })) }));
    const metrics = template.all('AWS::CloudWatch::Alarm').map(([, { Properties }]) => (Properties.Metrics ?? []).filter(({ MetricStat }: { MetricStat?: object }) => MetricStat).length);
    assert.equal(Math.max(...metrics), 10);
  });

  it('without a DLQ, a topic and a key may use none', () => {
    const role = JSON.stringify(inStack((stack) => void service(stack, ['a'])).resource('WorkersTaskRole'));
    assert.match(role, /sqs:ReceiveMessage/);
    assert.doesNotMatch(role, /sqs:SendMessage|sns:|kms:/);
  });
});

describe('an SqsApi', () => {
  const api = (change: Partial<SqsApiProps>) => inStack((stack) => void new SqsApi(stack, 'Api', { prefix: 'team', queue: queueOf(stack, 'jobs'), ...change }));
  const watched = (template: Template) => template.only('AWS::CloudWatch::Alarm').Metrics.length;

  it('is a REST API and an HTTP API, or one of them', () => {
    const counts = (template: Template) => ['AWS::ApiGateway::RestApi', 'AWS::ApiGatewayV2::Api'].map((type) => template.all(type).length);
    const [both, http, rest] = [api({}), api({ rest: false }), api({ http: false })];
    assert.deepEqual([both, http, rest].map(counts), [[1, 1], [0, 1], [1, 0]]);
    assert.deepEqual([both, http, rest].map(watched), [5, 3, 3]);
  });

  it('never leaves an API open beside a closed one', () => {
    assert.throws(() => api({ rest: { authorization: 'NONE' } }), /SqsApi: rest: everyone may call it, beside an HTTP API that is closed/);
    assert.throws(() => api({ rest: { authorization: 'NONE', apiKey: true }, http: { authorization: 'NONE' } }), /SqsApi: http: everyone may call it, beside a REST API that is closed/);
    assert.doesNotThrow(() => api({ rest: { authorization: 'NONE' }, http: { authorization: 'NONE' } }));
    assert.doesNotThrow(() => api({ rest: false, http: { authorization: 'NONE' } }));
  });

  it('has who may call it for each API of its own', () => {
    const template = api({ rest: { authorization: 'KEY' } });
    assert.ok(template.all('AWS::ApiGateway::Method').every(([, { Properties }]) => Properties.AuthorizationType === 'NONE' && Properties.ApiKeyRequired));
    assert.ok(template.all('AWS::ApiGatewayV2::Route').every(([, { Properties }]) => Properties.AuthorizationType === 'AWS_IAM'));
  });
});
