// Alarms: each of them, when it is raised and whom it tells.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { alarms } from '../lib/alarms.ts';
import { namesOf } from '../lib/names.ts';
import { readSettings } from '../lib/read_settings.ts';
import { calculate, type Series } from './metric_math.ts';
import { SHAPES } from './shapes.ts';
import { templateOf } from './template_of.ts';

const settings = readSettings(SHAPES['standard'] ?? {});
const apis = { restName: 'rest', restStage: 'stage', httpId: 'http' };
const all = alarms(settings, namesOf(settings), apis);

function raised(of: string, metrics: Record<string, Series>): boolean[] {
  const alarm = all.find((one) => one.of === of);
  assert.ok(alarm, of);
  return calculate(alarm.queries, metrics).map((value) => value !== null && value >= alarm.threshold);
}

it('all alarms are there, and tell their topic when they begin and when they are over', () => {
  const found = templateOf('standard').all('AWS::CloudWatch::Alarm').filter(([id]) => id !== 'WaitingAlarm');
  const names = found.map(([, { Properties }]) => Properties.AlarmName.replace('orders-test-', ''));
  assert.deepEqual(names.sort(), ['api-5xx', 'beyond-capacity', 'dlq-not-empty', 'memory', 'oldest-message', 'stalled']);
  for (const [id, { Properties }] of found) {
    assert.deepEqual([Properties.AlarmActions, Properties.OKActions], [[{ Ref: 'Alarms' }], [{ Ref: 'Alarms' }]], id);
    assert.equal(Properties.TreatMissingData, 'notBreaching', id);
  }
});

it('a queue is stalled when messages wait and none is received', () => {
  const metrics = { visible: [0, 5, 5, 5], received: [0, 3, 0, null] };
  assert.deepEqual(raised('stalled', metrics), [false, false, true, true]);
});

it('a queue may be stalled for as long as the settings say', () => {
  const minutes = alarms({ ...settings, STALL_LIMIT: 90 }, namesOf(settings), apis).find(({ of }) => of === 'stalled')?.minutes;
  assert.deepEqual([minutes, templateOf('standard').resource('StalledAlarm').EvaluationPeriods], [90, 15]);
});

it('the backlog is beyond the capacity when more than all tasks are needed', () => {
  const held = settings.MAX_TASKS * settings.CONCURRENCY * settings.BACKLOG_TARGET;
  const metrics = { visible: [held - 2, held - 1], inflight: [1, 1], measured: [1, 1] };
  assert.deepEqual(raised('beyond-capacity', metrics), [false, true]);
});

it('a 5xx of either API raises the alarm, and no traffic does not', () => {
  assert.deepEqual(raised('api-5xx', { rest: [null, 1, 0], http: [null, null, 1] }), [false, true, true]);
});

it('the alarm topic takes alarms of this account only, and is encrypted with a key that alarms may use', () => {
  const template = templateOf('standard');
  const statements = template.resource('AlarmsPolicy').PolicyDocument.Statement;
  const fromCloudWatch = statements.find(({ Principal }: { Principal: { Service?: string } }) => Principal.Service === 'cloudwatch.amazonaws.com');
  assert.deepEqual(fromCloudWatch.Condition, { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } });
  assert.match(JSON.stringify(template.resource('Key').KeyPolicy), /cloudwatch\.amazonaws\.com/);
  assert.equal(templateOf('everything').only('AWS::SNS::Subscription').Endpoint, 'ops@example.com');
});
