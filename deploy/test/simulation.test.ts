// The goals of the scaling, on the simulator: steady loads, bursts, long jobs, late and missing metrics.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Alarm, type AlarmSettings } from '../sim/alarm.ts';
import { ScalableTarget, StepScaling } from '../sim/auto_scaling.ts';
import { CloudWatch } from '../sim/cloudwatch.ts';
import { LATENESS, type LatenessName } from '../sim/lateness.ts';
import { averageOf, measure, reversals } from '../sim/result.ts';
import { cdkPattern, keda, longshore, longshoreWorkers } from '../sim/scalers.ts';
import { type Scaling, simulate } from '../sim/simulate.ts';
import { row, traces } from '../sim/tables.ts';
import { TRACES, type Trace } from '../sim/trace.ts';
import { file } from './source.ts';

const TARGET = 60;
const OURS = longshore();
const BY_WORKERS = longshoreWorkers();

function run(name: string, lateness: LatenessName = 'a minute late', scaling: Scaling = OURS, change: Partial<Trace> = {}) {
  const trace = TRACES.find((each) => each.name === name) ?? assert.fail(name);
  return measure(simulate({ ...trace, ...change }, scaling, lateness));
}

describe('on a steady load', () => {
  for (const [name, most] of [['steady, 30 s', 1.25], ['steady, 1 s', 1.25], ['steady, 2 min', 3 / 2.25]] as const) {
    for (const [by, scaling] of [['alarms', OURS], ['workers', BY_WORKERS]] as const) it(`the fleet costs a quarter more than the work in whole tasks, and waits stay below twice the target: ${name}, by ${by}`, () => {
      const { taskMinutes, neededMinutes, wholeMinutes, waitP99, reversals: turns } = run(name, 'a minute late', scaling);
      assert.ok(taskMinutes <= most * neededMinutes, `${taskMinutes} of ${neededMinutes}`);
      assert.ok(taskMinutes <= 1.25 * wholeMinutes, `${taskMinutes} of ${wholeMinutes} in whole tasks`);
      assert.ok(waitP99 <= 2 * TARGET, `${waitP99}`);
      assert.ok(turns <= 4, `${turns}`);
    });
  }

  it('a metric that is two minutes late makes no fleet swing or starve, however the guide is read', () => {
    for (const lateness of ['queue two minutes late', 'workers two minutes late', 'tasks two minutes late', 'requests on time, all else late'] as const) {
      for (const scaling of [OURS, longshore('zero')]) {
        const { reversals: turns, waitP99 } = run('steady, 30 s', lateness, scaling);
        assert.ok(turns <= 4 && waitP99 <= 2 * TARGET, `${lateness}: ${turns} ${waitP99}`);
      }
    }
  });
});

it('bursts are done no later than with the pattern of the CDK, at less cost', () => {
  for (const name of ['bursts, 2 s', 'bursts, 20 s']) {
    const [ours, theirs] = [run(name), run(name, 'a minute late', cdkPattern())];
    assert.ok(averageOf(ours.drained) <= averageOf(theirs.drained) && ours.taskMinutes <= theirs.taskMinutes, name);
  }
});

it('bursts are done at most half a minute after KEDA, and without the metrics of ten seconds two minutes', () => {
  for (const name of ['bursts, 2 s', 'bursts, 20 s']) {
    const after = (lateness: LatenessName) => averageOf(run(name, lateness).drained) - averageOf(run(name, lateness, keda()).drained);
    assert.ok(after('a minute late') <= 30, `${name}: ${after('a minute late')}`);
    assert.ok(after('none of ten seconds') <= 120, `${name}: ${after('none of ten seconds')}`);
  }
});

it('bursts are done no later than with KEDA where the workers order tasks, whatever metrics are late or missing', () => {
  for (const name of ['bursts, 2 s', 'bursts, 20 s']) {
    const theirs = averageOf(run(name, 'a minute late', keda()).drained);
    for (const lateness of ['a minute late', 'queue two minutes late', 'workers always silent'] as const) {
      const ours = averageOf(run(name, lateness, BY_WORKERS).drained);
      assert.ok(ours <= theirs, `${name}, ${lateness}: ${ours} after ${theirs}`);
    }
  }
});

it('a queue whose metrics are late takes no task of a burst that the workers have seen', () => {
  assert.equal(run('long jobs', 'queue two minutes late').reversals, 1);
  assert.equal(run('bursts, 20 s', 'queue two minutes late').reversals, run('bursts, 20 s').reversals);
});

it('a quarter of all data points may be missing: the fleet turns five times at most on a steady load', () => {
  for (const name of ['steady, 30 s', 'steady, 1 s', 'steady, 2 min']) {
    const { taskMinutes, wholeMinutes, waitP99, reversals: turns } = run(name, 'one in four missing');
    assert.ok(turns <= 5 && waitP99 <= 2 * TARGET && taskMinutes <= 1.25 * wholeMinutes, `${name}: ${turns}, ${waitP99}, ${taskMinutes} of ${wholeMinutes}`);
  }
});

it('long jobs have a slot each, and keep no task that none of them runs in', () => {
  const { taskMinutes, neededMinutes, mostTasks, left } = run('long jobs');
  assert.ok(taskMinutes <= 1.1 * neededMinutes && mostTasks === 3 && left === 0, `${taskMinutes} of ${neededMinutes}`);
});

it('messages that fail and wait for their retry hold no tasks', () => {
  const { taskMinutes, neededMinutes, waitP99 } = run('poison storm');
  assert.ok(taskMinutes <= 1.3 * neededMinutes && waitP99 <= 2 * TARGET, `${taskMinutes} of ${neededMinutes}, ${waitP99}`);
});

it('no fleet is stuck, whatever is late or missing', () => {
  for (const lateness of Object.keys(LATENESS) as LatenessName[]) {
    for (const name of ['bursts, 2 s', 'long jobs', 'nightly zero']) assert.equal(run(name, lateness).left, 0, `${name}, ${lateness}`);
  }
});

it('a fleet without the metrics of its workers grows by the age of the oldest message', () => {
  const { mostTasks } = run('steady, 30 s', 'workers always silent');
  assert.ok(mostTasks > 4, `${mostTasks}`);
});

it('a request wakes a fleet that was idle for more than six hours within six minutes', () => {
  const arrivals = [{ at: 0, seconds: 10 }, { at: 10 * 3600 + 7, seconds: 10 }];
  const { waitP99 } = run('nightly zero', 'a minute late', OURS, { arrivals, hours: 11 });
  assert.ok(waitP99 <= 360, `${waitP99}`);
});

it('docs/scaling-simulation.md has what the simulator finds: `make simulate-scaling` writes its tables anew', () => {
  const page = file('docs/scaling-simulation.md');
  assert.ok(page.includes(`\n${traces()}\n`));
  for (const name of ['long jobs', 'poison storm', 'by the hour']) {
    const trace = TRACES.find((each) => each.name === name) ?? assert.fail(name);
    assert.ok(page.includes(`\n${row(trace, 'Longshore')}\n`), name);
  }
});

describe('the simulator', () => {
  const settings: AlarmSettings = {
    name: 'test',
    queries: [{ id: 'm', metric: 'm' }],
    period: 60,
    isBreaching: (value) => value > 0,
    threshold: 0,
    evaluationPeriods: 3,
    datapointsToAlarm: 3,
    treatMissingData: 'missing',
  };

  /** The state for the five latest data points: 0, X for a breaching one, - for a missing one. */
  function state(points: string, change: Partial<AlarmSettings> = {}) {
    const store = new CloudWatch(() => 0);
    [...points].forEach((point, minute) => point !== '-' && store.publish('sqs', 'm', 60 * minute, 60, point === 'X' ? 1 : 0));
    const alarm = new Alarm({ ...settings, ...change }, store, 'missing');
    alarm.evaluate(315);
    return alarm.state;
  }

  it('has the states of the tables in the guide, "How alarm state is evaluated when data is missing"', () => {
    const three: [string, string, string, string][] = [
      ['0-X-X', 'OK', 'OK', 'OK'],
      ['0----', 'OK', 'OK', 'OK'],
      ['-----', 'INSUFFICIENT_DATA', 'ALARM', 'OK'],
      ['0XX-X', 'ALARM', 'ALARM', 'ALARM'],
      ['----X', 'INSUFFICIENT_DATA', 'ALARM', 'OK'],
    ];
    for (const [points, missing, breaching, notBreaching] of three) {
      const found = (['missing', 'breaching', 'notBreaching'] as const).map((treatMissingData) => state(points, { treatMissingData }));
      assert.deepEqual(found, [missing, breaching, notBreaching], points);
    }
    assert.equal(state('X----'), 'ALARM', 'before it is forgotten');
    for (const [points, found] of [['0-X-X', 'ALARM'], ['00X0X', 'ALARM'], ['0-X--', 'OK'], ['----X', 'INSUFFICIENT_DATA']] as const) {
      assert.equal(state(points, { datapointsToAlarm: 2 }), found, points);
    }
  });

  it('evaluates an alarm of ten seconds each ten seconds, and repeats its action once a minute', () => {
    const store = new CloudWatch(() => 0);
    const alarm = new Alarm({ ...settings, period: 10, evaluationPeriods: 2, datapointsToAlarm: 2 }, store, 'missing');
    for (let at = 0; at < 120; at += 10) store.publish('soon', 'm', at, 10, at < 20 ? 0 : 1);
    const acts = Array.from({ length: 120 }, (_, now) => now).filter((now) => alarm.evaluate(now));
    assert.deepEqual(acts, [45, 65]);
  });

  it('adds during a cooldown only what a larger step adds beyond the first', () => {
    const target = new ScalableTarget(1, 10, 1);
    const steps = [{ lower: 0, upper: 2, adjustment: 2 }, { lower: 2, upper: Infinity, adjustment: 3 }];
    const policy = new StepScaling(target, steps, 'Maximum', 300);
    for (const [now, value] of [[0, 1], [60, 1], [120, 2], [500, 1]] as const) policy.invoke(now, [value], 0);
    assert.deepEqual(target.history, [{ at: 0, capacity: 3 }, { at: 120, capacity: 4 }, { at: 500, capacity: 6 }]);
  });

  it('counts turns, not changes', () => assert.equal(reversals([1, 3, 5, 4, 2, 6]), 2));
});
