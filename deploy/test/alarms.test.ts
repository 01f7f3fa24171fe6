// Alarms: each of them, when it is raised and whom it tells.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { alarms } from '../lib/alarms.ts';
import { namesOf } from '../lib/names.ts';
import { readSettings } from '../lib/read_settings.ts';
import type { Series } from '../sim/metric_math.ts';
import { calculate } from './calculate.ts';
import { SHAPES } from './shapes.ts';
import { templateOf } from './template_of.ts';

const settings = readSettings(SHAPES['standard'] ?? {});
const _ = undefined;
const apis = { restName: 'rest', httpId: 'http' };
const SCALING = ['OutAlarm', 'InAlarm', 'FromZeroAlarm'];
const all = alarms(settings, namesOf(settings), apis);

function raised(of: string, metrics: Record<string, Series>): boolean[] {
  const alarm = all.find((one) => one.of === of);
  assert.ok(alarm, of);
  return calculate(alarm.queries, metrics).map((value) => value !== undefined && value >= alarm.threshold);
}

it('all alarms are there, and tell their topic when they begin and when they are over', () => {
  const found = templateOf('standard').all('AWS::CloudWatch::Alarm').filter(([id]) => !SCALING.includes(id));
  const names = found.map(([, { Properties }]) => Properties.AlarmName.replace('orders-test-', ''));
  assert.deepEqual(names.sort(), ['api-5xx', 'beyond-capacity', 'dlq-not-empty', 'memory', 'oldest-message', 'stalled']);
  for (const [id, { Properties }] of found) {
    assert.deepEqual([Properties.AlarmActions[0], Properties.OKActions], [{ Ref: 'Alarms' }, [{ Ref: 'Alarms' }]], id);
    assert.equal(Properties.TreatMissingData, 'notBreaching', id);
  }
});

it('a queue is stalled when messages wait and none is received', () => {
  const metrics = { visible: [0, 5, 5, 5], received: [0, 3, 0, _] };
  assert.deepEqual(raised('stalled', metrics), [false, false, true, true]);
});

it('a queue may be stalled for as long as the settings say', () => {
  const periods = alarms({ ...settings, STALL_LIMIT: 90 }, namesOf(settings), apis).find(({ of }) => of === 'stalled')?.evaluationPeriods;
  assert.deepEqual([periods, templateOf('standard').resource('StalledAlarm').EvaluationPeriods], [90, 15]);
});

it('the backlog is beyond the capacity when more than all tasks are needed', () => {
  const held = settings.MAX_TASKS * settings.CONCURRENCY * settings.BACKLOG_TARGET;
  assert.deepEqual(raised('beyond-capacity', { visible: [held - 1, held, held], measured: [1, 1, _] }), [false, true, false]);
  const { DatapointsToAlarm, EvaluationPeriods } = templateOf('standard').resource('BeyondCapacityAlarm');
  assert.ok(EvaluationPeriods - DatapointsToAlarm >= 2, 'two minutes may lack the measurement');
});

it('5xx of either API raise the alarm when they come in three of five minutes, and no traffic does not', () => {
  assert.deepEqual(raised('api-5xx', { rest: [_, 1, 0], http: [_, _, 1] }), [false, true, true]);
  const { DatapointsToAlarm, EvaluationPeriods } = templateOf('standard').resource('Api5xxAlarm');
  assert.deepEqual([DatapointsToAlarm, EvaluationPeriods], [3, 5]);
});

it('the alarm topic takes alarms of this account only, and is encrypted with a key that alarms may use', () => {
  const template = templateOf('standard');
  const statements = template.resource('AlarmsPolicy').PolicyDocument.Statement;
  const fromCloudWatch = statements.find(({ Principal }: { Principal: { Service?: string } }) => Principal.Service === 'cloudwatch.amazonaws.com');
  assert.deepEqual(fromCloudWatch.Condition, { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } });
  assert.match(JSON.stringify(template.resource('Key').KeyPolicy), /cloudwatch\.amazonaws\.com/);
  assert.equal(templateOf('everything').only('AWS::SNS::Subscription').Endpoint, 'ops@example.com');
});
