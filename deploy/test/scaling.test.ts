// Scaling: what the sums come to, and where the metrics in them come from.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { namesOf } from '../lib/names.ts';
import { neededPerTask, neededTasks, type Query, waitingForNobody } from '../lib/metrics.ts';
import { readSettings } from '../lib/read_settings.ts';
import { calculate, type Series } from './metric_math.ts';
import { SHAPES } from './shapes.ts';
import { templateOf } from './template_of.ts';

const BASE = SHAPES['standard'] ?? {};

function with_(texts: Record<string, string>) {
  const settings = readSettings({ ...BASE, ...texts });
  return { settings, names: namesOf(settings) };
}

/** What the last of the queries comes to, minute by minute. */
function last(queries: readonly Query[], metrics: Record<string, Series>): Series {
  return calculate(queries, metrics);
}

it('the first worked example of the README comes out', () => {
  const { settings, names } = with_({ CONCURRENCY: '16', BACKLOG_TARGET: '60' });
  const metrics = { visible: [11_520], inflight: [480], measured: [2] };
  assert.deepEqual(last(neededTasks(settings, names), metrics), [25]);
  assert.deepEqual(last(neededPerTask(settings, names), { ...metrics, tasks: [10] }), [2.5]);
});

it('the second worked example of the README comes out', () => {
  const { settings, names } = with_({ CONCURRENCY: '4', BACKLOG_TARGET: '1800' });
  const metrics = { visible: [0], inflight: [8], measured: [1200] };
  assert.deepEqual(last(neededPerTask(settings, names), { ...metrics, tasks: [2] }).map((share) => Math.round((share ?? 0) * 1000)), [667]);
});

it('messages that are being worked on keep their tasks', () => {
  const { settings, names } = with_({ CONCURRENCY: '1', BACKLOG_TARGET: '60' });
  const idle = last(neededPerTask(settings, names), { visible: [0], inflight: [0], measured: [60], tasks: [3] });
  const busy = last(neededPerTask(settings, names), { visible: [0], inflight: [3], measured: [60], tasks: [3] });
  assert.deepEqual([idle, busy], [[0], [1]]);
});

it('the last measurement counts while nothing is measured, and the guess before the first', () => {
  const { settings, names } = with_({ CONCURRENCY: '1', BACKLOG_TARGET: '10', WORK_SECONDS: '5' });
  const found = last(neededTasks(settings, names), { visible: [2, 2, 2], inflight: [0, 0, 0], measured: [null, 20, null] });
  assert.deepEqual(found, [1, 4, 4]);
});

it('a fleet of none is woken by the first message, and by nothing else', () => {
  const { names } = with_({});
  const found = last(waitingForNobody(names), { visible: [0, 1, 1, 5], tasks: [0, 0, 1, null] });
  assert.deepEqual(found, [0, 1, 0, 1]);
});

it('target tracking keeps the share of each task at one', () => {
  const template = templateOf('spot');
  const { TargetTrackingScalingPolicyConfiguration: tracking } = template.resource('TrackWork');
  const { Metrics } = tracking.CustomizedMetricSpecification;
  assert.deepEqual([tracking.TargetValue, tracking.ScaleOutCooldown, tracking.ScaleInCooldown], [1, 60, 300]);
  assert.deepEqual(Metrics.filter(({ ReturnData }: { ReturnData: boolean }) => ReturnData).map(({ Id }: { Id: string }) => Id), ['share']);
  assert.ok(Metrics.length <= 10, 'Application Auto Scaling takes ten');
});

it('the step from zero adds a task, and takes none away', () => {
  const { StepScalingPolicyConfiguration: step } = templateOf('spot').resource('FromZero');
  assert.equal(step.AdjustmentType, 'ChangeInCapacity');
  assert.deepEqual(step.StepAdjustments, [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }]);
  assert.deepEqual(templateOf('spot').resource('WaitingAlarm').AlarmActions, [{ Ref: 'FromZero' }]);
});

it('the limits are those of the settings', () => {
  const { MinCapacity, MaxCapacity, ResourceId } = templateOf('spot').only('AWS::ApplicationAutoScaling::ScalableTarget');
  assert.deepEqual([MinCapacity, MaxCapacity, ResourceId], [0, 40, 'service/orders-test/orders-test-worker']);
});

it('the metrics are those of the resources of the same template', () => {
  const template = templateOf('fifo');
  const text = JSON.stringify(template.resource('TrackWork'));
  const { QueueName } = template.resource('Queue');
  const { ServiceName } = template.only('AWS::ECS::Service');
  const { ClusterName } = template.only('AWS::ECS::Cluster');
  for (const [Name, Value] of Object.entries({ QueueName, ServiceName, ClusterName })) assert.ok(text.includes(JSON.stringify({ Name, Value })), Name);
});
