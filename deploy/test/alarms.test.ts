// Alarms: each of them, when it is raised and whom it tells.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { failures } from '../lib/api/sqs_api.ts';
import { alarmsOfQueue, maximumAlarm } from '../lib/service/alarms.ts';
import type { Series } from '../sim/metric_math.ts';
import { calculate } from './calculate.ts';
import { templateOf } from './template_of.ts';

const _ = undefined;
const CONCURRENCY = 16;
const BACKLOG_TARGET = 60;
const MAX_TASKS = 10;
const SCALING = ['OutAlarm', 'BurstAlarm', 'InAlarm', 'FromZeroAlarm'];
const watched = {
  name: '',
  load: { queueName: 'queue', concurrency: CONCURRENCY, backlogTarget: BACKLOG_TARGET },
  fifo: false,
  dlqName: 'dlq',
  ageLimit: Duration.hours(1),
  stallLimit: Duration.minutes(15),
  retentionLimit: undefined,
  maxTasks: MAX_TASKS,
};
const all = alarmsOfQueue(watched);
const ALARMS = { 'Fn::Sub': 'arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:orders-test-alarms' };
const API = { namespace: 'AWS/ApiGateway', metricName: '5xx' };

function raised(of: string, metrics: Record<string, Series>): boolean[] {
  const alarm = all.find((one) => one.of === of);
  assert.ok(alarm, of);
  return calculate(alarm.queries, metrics).map((value) => value !== undefined && value >= alarm.threshold);
}

it('all alarms are there, and tell their topic when they begin and when they are over', () => {
  const found = templateOf('standard').all('AWS::CloudWatch::Alarm').filter(([id]) => !SCALING.includes(id));
  const names = found.map(([, { Properties }]) => Properties.AlarmName.replace('orders-test-', ''));
  assert.deepEqual(names.sort(), ['api-5xx', 'at-maximum', 'beyond-capacity', 'dlq-not-empty', 'memory', 'near-retention', 'oldest-message', 'stalled']);
  for (const [id, { Properties }] of found) {
    assert.deepEqual([Properties.AlarmActions[0], Properties.OKActions], [ALARMS, [ALARMS]], id);
    assert.equal(Properties.TreatMissingData, 'notBreaching', id);
  }
});

it('a queue is stalled when messages wait and none is received', () => {
  const metrics = { visible: [0, 5, 5, 5], received: [0, 3, 0, _] };
  assert.deepEqual(raised('stalled', metrics), [false, false, true, true]);
});

it('a queue may be stalled for as long as the settings say', () => {
  const periods = alarmsOfQueue({ ...watched, stallLimit: Duration.minutes(90) }).find(({ of }) => of === 'stalled')?.evaluationPeriods;
  assert.deepEqual([periods, templateOf('standard').resource('StalledAlarm').EvaluationPeriods], [90, 15]);
});

it('the backlog is beyond the capacity when more than all tasks are needed', () => {
  const held = MAX_TASKS * CONCURRENCY * BACKLOG_TARGET;
  assert.deepEqual(raised('beyond-capacity', { visible: [held - 1, held, held], measured: [1, 1, _] }), [false, true, false]);
  const { DatapointsToAlarm, EvaluationPeriods } = templateOf('standard').resource('BeyondCapacityAlarm');
  assert.ok(EvaluationPeriods - DatapointsToAlarm >= 2, 'two minutes may lack the measurement');
});

it('one 5xx in twenty requests to the APIs raises the alarm in three of five minutes; a single one, or no traffic, does not', () => {
  const api = { metric: () => new Metric(API) };
  const metrics = { failures0: [_, 1, 0, 0, 1], failures1: [_, _, 4, 5, 0], requests0: [_, 1, 50, 50, 1000], requests1: [_, _, 50, 50, 0] };
  const percents = calculate(failures([api, api]), metrics);
  assert.deepEqual(percents.map((percent) => percent !== undefined && percent >= 5), [false, true, false, true, false]);
  const { DatapointsToAlarm, EvaluationPeriods, Threshold } = templateOf('standard').resource('Api5xxAlarm');
  assert.deepEqual([DatapointsToAlarm, EvaluationPeriods, Threshold], [3, 5, 5]);
});

it('the fleet is at its maximum when all tasks are there and messages wait, whatever the workers say', () => {
  const [{ queries = [], threshold = 0 } = {}] = maximumAlarm([watched, watched], { clusterName: 'c', serviceName: 's' });
  const full = calculate(queries, { visible1: [0, 1, 0, 0], visible2: [0, 0, 5, 5], tasks: [10, 10, 10, 9] });
  assert.deepEqual(full.map((value) => value !== undefined && value >= threshold), [false, true, true, false]);
  assert.deepEqual(maximumAlarm([], { clusterName: 'c', serviceName: 's' }), []);
});

it('the oldest message is near the end of the retention after four fifths of it', () => {
  const { Threshold, MetricName } = templateOf('standard').resource('NearRetentionAlarm');
  assert.deepEqual([Threshold, MetricName], [0.8 * 4 * 86400, 'ApproximateAgeOfOldestMessage']);
  assert.ok(!JSON.stringify(templateOf('there').json).includes('near-retention'), 'nothing is known of a queue that was there before');
  const names = templateOf('there').all('AWS::CloudWatch::Alarm').map(([, { Properties }]) => Properties.AlarmName);
  assert.ok(names.includes('orders-test-at-maximum'));
});

it('a deployment that failed is told to the topic, which EventBridge may publish to', () => {
  const template = templateOf('standard');
  const { EventPattern, Targets } = template.only('AWS::Events::Rule');
  assert.deepEqual([EventPattern.resources, EventPattern.detail], [[{ Ref: 'Service' }], { eventName: ['SERVICE_DEPLOYMENT_FAILED'] }]);
  assert.deepEqual(Targets[0].Arn, ALARMS);
  assert.match(JSON.stringify(template.resource('AlarmsPolicy')), /events\.amazonaws\.com/);
  assert.match(JSON.stringify(template.resource('Key').KeyPolicy), /events\.amazonaws\.com/);
});

it('the alarm topic takes alarms of this account only, and is encrypted with a key that alarms may use', () => {
  const template = templateOf('standard');
  const statements = template.resource('AlarmsPolicy').PolicyDocument.Statement;
  const fromCloudWatch = statements.find(({ Principal }: { Principal: { Service?: string[] } }) => Principal.Service?.includes('cloudwatch.amazonaws.com'));
  assert.deepEqual(fromCloudWatch.Condition, { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } });
  assert.match(JSON.stringify(template.resource('Key').KeyPolicy), /cloudwatch\.amazonaws\.com/);
  assert.equal(templateOf('everything').only('AWS::SNS::Subscription').Endpoint, 'ops@example.com');
});
