// Scaling: what the sums come to, and where the metrics in them come from.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { STACKS } from '../app/names.ts';
import { type Load, missingInBurst, missingTasks, spareTasks, waitingForNobody } from '../lib/metrics.ts';
import type { Series } from '../sim/metric_math.ts';
import { calculate } from './calculate.ts';
import { SHAPES } from './shapes.ts';
import { file } from './source.ts';
import { templateOf } from './template_of.ts';

const _ = undefined;
const SERVICE = { clusterName: 'cluster', serviceName: 'service' };
const API = { namespace: 'AWS/ApiGateway', metricName: 'Count' };

const load = (concurrency = 16, backlogTarget = 60, queueName = 'queue') => ({ queueName, concurrency, backlogTarget });
const missing = (of: Load, metrics: Record<string, Series>) => calculate(missingTasks(of, SERVICE), metrics);
const spare = (metrics: Record<string, Series>, loads = [load()], minTasks = 1) => calculate(spareTasks(loads, SERVICE, minTasks), metrics);
const waiting = (metrics: Record<string, Series>, loads = [load()]) => calculate(waitingForNobody(loads, SERVICE, [API, API]), metrics);

describe('the tasks that are missing', () => {
  it('are those of the first worked example of the README', () => {
    const metrics = { visible: [11_520], inflight: [160], measured: [2], tasks: [10] };
    assert.deepEqual(missing(load(16, 60), metrics), [14]);
  });

  it('are those of the second worked example of the README: no more than have a slot for each message', () => {
    const metrics = { visible: [8, 1], inflight: [4, 12], measured: [7200, 7200], tasks: [1, 4] };
    assert.deepEqual(missing(load(4, 60), metrics), [2, -0.75]);
  });

  it('are not known in a minute that lacks the queue, the measurement or the tasks, so that a late metric changes nothing', () => {
    const metrics = { visible: [500, _, 500, 500], inflight: [16, _, 16, 16], measured: [30, 30, _, 30], tasks: [1, 1, 1, _] };
    assert.deepEqual(missing(load(), metrics), [500 / 32 - 1, _, _, _]);
  });

  it('are not counted while nothing waits', () => assert.deepEqual(missing(load(), { visible: [0], inflight: [9], measured: [2], tasks: [1] }), [_]));
});

describe('the tasks that a burst lacks, as the workers see it', () => {
  const inBurst = (metrics: Record<string, Series>, of = load()) => calculate(missingInBurst(of), metrics);

  it('are those of the other sum once every slot is taken', () => {
    assert.deepEqual(inBurst({ waiting: [11_520], running: [160], measured: [2] }), [14]);
    assert.deepEqual(inBurst({ waiting: [8], running: [4], measured: [7200] }, load(4)), [2]);
  });

  it('are none while the slots that there are start what waits in time', () => {
    assert.deepEqual(inBurst({ waiting: [20], running: [64], measured: [30] }), [-54 / 16]);
  });

  it('are not known without a count or the measurement, nor while no slot is taken', () => {
    const metrics = { waiting: [_, 500, 500, 500, 0], running: [16, _, 16, 0, 16], measured: [30, 30, _, 30, 30] };
    assert.deepEqual(inBurst(metrics), [_, _, _, _, _]);
  });
});

describe('the tasks that are spare', () => {
  it('are those that no message needs, running or waiting', () => {
    assert.deepEqual(spare({ visible: [0, 0, 16], inflight: [60, 64, 32], tasks: [5, 5, 5] }), [1.25, 1, 2]);
  });

  it('are none of the fewest', () => {
    const idle = { visible: [0, 0], inflight: [_, 0], tasks: [3, 2] };
    assert.deepEqual([spare(idle, [load()], 3), spare(idle, [load()], 0)], [[0, -1], [3, 2]]);
  });

  it('are what the queue that needs the most leaves over', () => {
    const metrics = { visible: [0, 0], inflight: [16, 48], visible2: [8, 0], inflight2: [0, 0], tasks: [5, 5] };
    assert.deepEqual(spare(metrics, [load(16), load(2)]), [1, 2]);
  });

  it('are not known without the queue or the tasks', () => {
    assert.deepEqual(spare({ visible: [_, 0], inflight: [_, 16], tasks: [5, _] }), [_, _]);
  });
});

describe('a fleet of none', () => {
  it('is woken by a message that waits, whether ECS reports no tasks or nothing', () => {
    assert.deepEqual(waiting({ visible: [1, 5], arrivals1: [_, _], arrivals2: [_, _], tasks: [0, _], alive: [_, _] }), [1, 1]);
  });

  it('is woken by a request to either API while SQS is silent', () => {
    assert.deepEqual(waiting({ visible: [_, _, _], arrivals1: [1, _, _], arrivals2: [_, 3, _], tasks: [_, _, _], alive: [_, _, _] }), [1, 1, _]);
  });

  it('is not woken by nothing, and no fleet of one or more is', () => {
    assert.deepEqual(waiting({ visible: [0, 9], arrivals1: [0, 9], arrivals2: [0, 9], tasks: [0, 1], alive: [_, _] }), [0, 0]);
  });

  it('is not woken because ECS is silent while a worker prints', () => {
    assert.deepEqual(waiting({ visible: [9], arrivals1: [9], arrivals2: [_], tasks: [_], alive: [16] }), [-15]);
  });
});

describe('the policies', () => {
  const template = templateOf('spot');
  const policy = (id: string) => template.resource(id).StepScalingPolicyConfiguration;

  it('add as many tasks as are missing, and half as many more at most', () => {
    for (const { MetricIntervalLowerBound: from = 0, MetricIntervalUpperBound: to, ScalingAdjustment: added } of policy('Out').StepAdjustments) {
      assert.ok(to === undefined || (added >= to && added <= 2.5 * Math.max(from, 1)), `${from} to ${to}: ${added}`);
    }
  });

  it('ask by two alarms with one cooldown, of which one reads what the workers print each ten seconds', () => {
    for (const id of ['OutAlarm', 'BurstAlarm']) assert.deepEqual([template.resource(id).AlarmActions, template.resource(id).Threshold], [[{ Ref: 'Out' }], 0.01], id);
    const metrics = template.resource('BurstAlarm').Metrics.flatMap(({ MetricStat }: any) => (MetricStat === undefined ? [] : [MetricStat]));
    for (const { Metric, Period } of metrics) assert.deepEqual([Metric.Namespace, Period], ['Longshore', 10]);
    const [{ Environment }] = template.only('AWS::ECS::TaskDefinition').ContainerDefinitions;
    const intervals = Environment.filter(({ Name }: { Name: string }) => /__(METRICS_INTERVAL|DEPTH__INTERVAL)$/.test(Name));
    assert.deepEqual(intervals.map(({ Value }: { Value: string }) => Value), ['10s', '10s']);
  });

  it('leave bursts to the workers where these order tasks: these know how many there may be, and may change nothing else of the service', () => {
    const eager = templateOf('eager');
    assert.ok(eager.all('AWS::CloudWatch::Alarm').every(([id]) => id !== 'BurstAlarm'));
    const [{ Environment }] = eager.only('AWS::ECS::TaskDefinition').ContainerDefinitions;
    const ordered = Environment.filter(({ Name }: { Name: string }) => /__(SCALE_OUT_TO|BACKLOG_TARGET)$/.test(Name)).map(({ Value }: { Value: unknown }) => Value);
    assert.deepEqual(ordered, ['10', '60s']);
    const statements = eager.resource('TaskRole').Policies[0].PolicyDocument.Statement;
    const { Resource, Condition } = statements.find(({ Action }: { Action: unknown }) => Action === 'ecs:UpdateService');
    assert.match(JSON.stringify(Resource), /:service\/orders-test\/orders-test-worker"/);
    assert.match(JSON.stringify(Condition.ArnLikeIfExists['ecs:task-definition']), new RegExp(`:task-definition/${eager.only('AWS::ECS::TaskDefinition').Family}:\\*"`));
    assert.deepEqual(Condition['ForAllValues:StringEquals']['ecs:subnet'], eager.only('AWS::ECS::Service').NetworkConfiguration.AwsvpcConfiguration.Subnets);
    assert.equal(Condition.StringEqualsIfExists['ecs:enable-execute-command'], 'false');
    for (const shape of Object.keys(SHAPES).filter((shape) => shape !== 'eager')) assert.doesNotMatch(JSON.stringify(templateOf(shape).resource('TaskRole')), /ecs:UpdateService/, shape);
  });

  it('take no more tasks than are spare: the alarm begins at one', () => {
    for (const { MetricIntervalLowerBound: from = 0, ScalingAdjustment: added } of policy('In').StepAdjustments) {
      assert.ok(added < 0 && -added <= from + 1, `${from}: ${added}`);
    }
    assert.equal(policy('In').MetricAggregationType, 'Minimum');
  });

  it('add one task when the fleet is none, and when messages are old', () => {
    assert.deepEqual(policy('FromZero').StepAdjustments, [{ ScalingAdjustment: 1 }]);
    assert.deepEqual(template.resource('FromZeroAlarm').AlarmActions, [{ Ref: 'FromZero' }]);
    assert.deepEqual(template.resource('OldestMessageAlarm').AlarmActions[1], { Ref: 'FromZero' });
    assert.equal(templateOf('fifo').resource('OldestMessageAlarm').AlarmActions.length, 1);
  });

  it('wait until the tasks that they have added are counted', () => {
    for (const id of ['Out', 'In', 'FromZero']) assert.ok(policy(id).Cooldown >= 240, id);
  });
});

it('no expression has FILL: a late metric would leave the alarm on the value that fills', () => {
  for (const shape of Object.keys(SHAPES)) assert.doesNotMatch(JSON.stringify(templateOf(shape).json), /\bFILL\(/, shape);
  for (const kind of STACKS) assert.doesNotMatch(file(`deploy/stacks/${kind}.json`), /\bFILL\(/);
});

it('the limits are those of the settings', () => {
  const { MinCapacity, MaxCapacity, ResourceId } = templateOf('spot').only('AWS::ApplicationAutoScaling::ScalableTarget');
  assert.deepEqual([MinCapacity, MaxCapacity, ResourceId], [0, 40, 'service/orders-test/orders-test-worker']);
});

it('the metrics are those of the resources of the same template', () => {
  const template = templateOf('fifo');
  const text = JSON.stringify(['OutAlarm', 'InAlarm', 'FromZeroAlarm'].map((id) => template.resource(id)));
  const { QueueName } = template.resource('Queue');
  const { ServiceName } = template.only('AWS::ECS::Service');
  const { ClusterName } = template.only('AWS::ECS::Cluster');
  const { Name: ApiName } = template.only('AWS::ApiGateway::RestApi');
  for (const [Name, Value] of Object.entries({ QueueName, ServiceName, ClusterName, ApiName, ApiId: { 'Fn::ImportValue': 'orders-test-http-api-id' } })) {
    assert.ok(text.includes(JSON.stringify({ Name, Value })), Name);
  }
});
