// Every number that a panel shows, compared with what is reckoned from traffic that is known to the last message.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { type Answer, ask, name as nameOf } from '../../live/answers.ts';
import { ALL, type Choice } from '../../live/grafana.ts';
import { LEASES_LOST, openMetrics, rateOf, RATES, RESTARTED, SECONDS } from '../../live/known.ts';
import { Prometheus } from '../../live/prometheus.ts';
import { type Dashboard, named, OF_PROMETHEUS, type Panel } from '../panels_of.ts';

/** Values by the names of their series; one series alone needs no name. */
type Values = number | Readonly<Record<string, number>>;

const DAY = 86400;
// Within one block of Prometheus's, and not so old that it is thrown away.
const start = Math.floor((Date.now() / 1000 - DAY) / 7200) * 7200;
const end = start + SECONDS;
const EVERYTHING: Readonly<Record<string, Choice>> = { cluster: ALL, namespace: ALL, job: ALL, instance: ALL, queue: ALL, kind: ALL, price: '0.40' };
const folder = mkdtempSync(join(tmpdir(), 'longshore-numbers-'));
let prometheus: Prometheus;

before(async () => {
  writeFileSync(join(folder, 'known.om'), openMetrics(start));
  execFileSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', join(folder, 'known.om'), join(folder, 'tsdb')], { stdio: 'ignore' });
  prometheus = await Prometheus.start(folder, '', { workers: [], renamed: {} });
});

after(async () => {
  await prometheus.kill();
  rmSync(folder, { recursive: true });
});

const ENDED = 'longshore_messages_ended_total';
const CALLS = 'longshore_api_calls_total';
const WORK = 'longshore_work_seconds_total';
const QUEUES = ['mails', 'orders'];
const MINUTE = 60;
const FAILURES = RATES[`${ENDED}{ending="retry"}`]! + RATES[`${ENDED}{ending="timeout"}`]!;
/** All shares together. */
const SHARES = rateOf(WORK) / RATES[WORK]!;

/** A value for each of these. */
const each = (names: readonly string[], value: (name: string) => number): Values => Object.fromEntries(names.map((name) => [name, value(name)]));
/** What happens in a second, by this label's values. */
function by(label: string, metric: string, of: Parameters<typeof rateOf>[1] = {}, times = 1): Values {
  const found: Record<string, number> = {};
  for (const series of Object.keys(RATES).filter((one) => one.startsWith(`${metric}{`))) {
    const value = series.match(new RegExp(`\\b${label}="([^"]*)"`))?.[1] ?? '';
    found[value] = (found[value] ?? 0) + rateOf(series, of) * times;
  }
  return found;
}

const fleet: Readonly<Record<string, readonly Values[]>> = {
  'Workers': [2],
  'Handlers down': [1],
  // The other one that waits for longer has paused, and stops.
  'Longest silence': [12],
  // 900 of the 1,200 visible messages are older than a minute, if they came one after the other in 240 s.
  'Started in time': [inTime(1200 * (1 - 60 / 240))],
  'Not done': [0.4 / 2],
  'stat: Leases lost': [LEASES_LOST],
  'Dead letters': [1234],
  'Time to catch up': [300],
  'Alerts raised': [{ ticket: 2 }],
  'Messages handled, by queue': [each(QUEUES, (queue) => rateOf(ENDED, { queue }))],
  'How messages end': [by('ending', ENDED)],
  'Time to catch up, by queue': [{ orders: 300, mails: 50 }],
  'Messages in the queues': [{ visible: 1210, in_flight: 42, delayed: 7 }],
  // Four seconds of work a second would need all of 8 slots half; that every look sees four calls is a chance.
  'Slots in use, by queue': [{ orders: (4 * 0.5) / 16, mails: (2 * 0.5) / 4 }],
  'From sending to start': [by('le', 'longshore_queue_wait_seconds_bucket', {}, MINUTE)],
  'Handling time': [by('le', 'messaging_process_duration_seconds_bucket', {}, MINUTE)],
  'Queues': [
    { orders: 2, mails: 1 },
    each(QUEUES, (queue) => rateOf(ENDED, { queue }) * SECONDS),
    { orders: 0.2, mails: 0.2 },
    { orders: 0.25, mails: 0.25 },
    { orders: 1200, mails: 10 },
    { orders: 240, mails: 0 },
    { orders: 300, mails: 50 },
    { orders: 1234 },
  ],
  'Workers, by version': [{ '1.0.0': 1, '1.1.0': 1 }],
  'Targets': [2, 1],
  'Restarts': [1],
  'Stopping and protected': [1, 1],
  'CPU of a worker': [0.4, 0.3],
  'Memory of a worker': [3e8, 2e8],
  'Workers, one by one': [
    { a: SECONDS + 1000, b: SECONDS - RESTARTED },
    { a: rateOf(ENDED, { instance: 'a' }) * SECONDS, b: rateOf(ENDED, { instance: 'b' }) * SECONDS },
    { a: 8, b: 4 },
    { a: 9, b: 6 },
    { a: 12 },
    { a: 0, b: 1 },
    { a: 2, b: 2 },
    { a: 0.2, b: 0.4 },
    { a: 1e8, b: 3e8 },
  ],
  'Requests an hour': [rateOf(CALLS) * 3600],
  'Price an hour': [(rateOf(CALLS) * 3600 * 0.4) / 1e6],
  'Price a month': [(rateOf(CALLS) * 3600 * 730 * 0.4) / 1e6],
  'Requests per 1,000 messages': [(1000 * rateOf(CALLS)) / rateOf(ENDED)],
  'Requests, by what they are for': [by('action', CALLS)],
  'Price an hour, by queue': [each(QUEUES, (queue) => (rateOf(CALLS, { queue }) * 3600 * 0.4) / 1e6)],
};

const ORDERS = { queue: 'orders' };
const queue: Readonly<Record<string, readonly Values[]>> = {
  'Waiting': [1200],
  'In flight': [40],
  'Oldest message': [240],
  'Time to catch up': [300],
  'Dead letters': [1234],
  'Slots in use': [(4 * 0.5) / 16],
  'Workers': [2],
  'Paused workers': [1],
  'Messages, by where they are': [{ visible: 1200, in_flight: 40, delayed: 7 }],
  'Age of the counts': [10],
  'Through the workers': [rateOf('messaging_client_consumed_messages_total', ORDERS), rateOf('longshore_messages_started_total', ORDERS), rateOf(ENDED, ORDERS)],
  'From sending to start': [1, 60 + 240 * (0.18 / 0.4), 60 + 240 * (0.378 / 0.4)],
  'Handling time': [0.25, 0.5, 0.95],
  'From sending to start, spread': [by('le', 'longshore_queue_wait_seconds_bucket', ORDERS, MINUTE)],
  'Handling time, spread': [by('le', 'messaging_process_duration_seconds_bucket', ORDERS, MINUTE)],
  'Endings': [by('ending', ENDED, ORDERS)],
  'Failures, by cause': [by('cause', 'longshore_handler_failures_total', ORDERS)],
  'Not handled': ['given_back', 'duplicate', 'exhausted'].map((what) => rateOf(`longshore_messages_${what}_total`, ORDERS)),
  'Settled with SQS': [by('action', 'longshore_messages_settled_total', ORDERS)],
  'Settling that went wrong': [rateOf('longshore_settle_retries_total', ORDERS), rateOf('longshore_settle_failures_total', ORDERS)],
  'Notifications': [by('result', 'longshore_notifications_total', ORDERS)],
  'Oldest running call': [70],
  'Oldest message, of its retention': [240 / 345600, 3 / 345600],
  'Oldest that SQS has not confirmed': [0.5],
  'Held messages': [20, 11, 8, 5],
  'Leases extended': [rateOf('longshore_lease_extensions_total', ORDERS)],
  'Leases lost': [LEASES_LOST],
  'Groups held': [7],
  'Messages of the largest group': [5],
  'Calls': [by('action', CALLS, ORDERS)],
  'Calls that failed': [{ retryable: 0.04, refused: 0.02 }],
  'Time of a call, 95 %': [{ receive: 5 + 15 * 0.95 }],
  'Longest silence': [33],
  'Receives under way': [3],
  'Polling': [1, 0, 1],
};

const KINDS = { http: 4, exec: 2 };
const byKind = (metric: string): Values => ({ http: rateOf(metric, { queue: 'orders' }), exec: rateOf(metric, { queue: 'mails' }) });
const handlers: Readonly<Record<string, readonly Values[]>> = {
  'Down': [1],
  'Failed': [0.3 / 2],
  'Time-outs': [rateOf(`${ENDED}{ending="timeout"}`) * SECONDS],
  'Handling time, 95 %': [0.75],
  'Slots in use': [((KINDS.http + KINDS.exec) * 0.5) / 20],
  'Processes that crashed': [rateOf('longshore_handler_process_exits_total{cause="crashed"}') * SECONDS],
  'Handling time, median by kind': [{ http: 0.25, exec: 0.25 }],
  'Handling time, 99 % by kind': [{ http: 0.95, exec: 0.95 }],
  'Handling time, spread': [by('le', 'messaging_process_duration_seconds_bucket', {}, MINUTE)],
  'Messages handled, by kind': [byKind(ENDED)],
  'Calls running, by kind': [byKind(WORK)],
  'Slot time of a message, by kind': [{ http: 0.25, exec: 0.25 }],
  'Failures, by cause': [by('cause', 'longshore_handler_failures_total')],
  'Endings other than done': [{ retry: SHARES * 0.2, timeout: SHARES * 0.1, reject: SHARES * 0.1 }],
  'Handlers': [
    each(QUEUES, (queue) => rateOf(ENDED, { queue }) * SECONDS),
    { orders: 0.25, mails: 0.25 },
    { orders: 0.95, mails: 0.95 },
    each(QUEUES, (queue) => rateOf('longshore_handler_failures_total', { queue }) * SECONDS),
    each(QUEUES, (queue) => rateOf(`${ENDED}{ending="reject"}`, { queue }) * SECONDS),
    each(QUEUES, (queue) => rateOf(`${ENDED}{ending="timeout"}`, { queue }) * SECONDS),
    { orders: 1, mails: 0 },
  ],
  'Polling, by queue': [{ orders: 1, mails: 0 }],
  'Given back unhandled': [rateOf('longshore_messages_given_back_total'), rateOf('longshore_messages_kept_total')],
  'Processes, by state': [{ busy: 2, idle: 1 }],
  'Starts, by queue': [each(QUEUES, (queue) => rateOf('longshore_handler_process_starts_total', { queue }))],
  'Exits, by cause': [by('cause', 'longshore_handler_process_exits_total')],
  'Calls to SNS': [by('result', 'longshore_sns_calls_total')],
  'Notifications, by occasion': [by('occasion', 'longshore_notifications_total')],
};

const EXPECTED = { 'fleet.json': fleet, 'queue.json': queue, 'handlers.json': handlers };
/** Panels that show no numbers of Prometheus. */
const NO_NUMBERS = ['Alerts', 'Warnings and errors', 'Warnings and errors, with their traces'];
/** Numbers of what happened between two points, whose sum is what happened. */
const SUMMED = ['timeseries: Leases lost', 'timeseries: Restarts'];

for (const [file, expected] of Object.entries(EXPECTED)) {
  it(`every number of ${file} is what the traffic makes it`, async () => {
    const dashboard = dashboardOf(file);
    const chosen = file === 'queue.json' ? { ...EVERYTHING, queue: 'orders' } : EVERYTHING;
    const answers = await answersOf(dashboard, chosen);
    for (const { panel } of named([dashboard])) {
      if (NO_NUMBERS.includes(panel.title)) continue;
      const values = expected[`${panel.type}: ${panel.title}`] ?? expected[panel.title] ?? assert.fail(`nobody has reckoned ${panel.title}`);
      assert.equal(values.length, panel.targets.length, panel.title);
      panel.targets.forEach((target, index) => same(`${panel.title}, ${target.refId}`, shown(panel, index, answers), values[index] ?? 0));
    }
  });
}

it('what a whole fleet needs is the same whichever of its workers are looked at', async () => {
  const alone = { ...EVERYTHING, instance: 'b' };
  const fleetAnswers = await answersOf(dashboardOf('fleet.json'), alone);
  for (const title of ['Time to catch up', 'Time to catch up, by queue']) {
    const panel = panelOf('fleet.json', title);
    same(title, shown(panel, 0, fleetAnswers), panel.type === 'stat' ? 300 : { orders: 300, mails: 50 });
  }
  const queueAnswers = await answersOf(dashboardOf('queue.json'), { ...alone, queue: 'orders' });
  same('of one queue', shown(panelOf('queue.json', 'Time to catch up'), 0, queueAnswers), 300);
  same('slots of that worker', shown(panelOf('queue.json', 'Slots in use'), 0, queueAnswers), 1.5 / 8);
});

it('nothing is in time while nothing starts', async () => {
  // In the first 15 s little has started, and 900 messages have waited for too long already.
  const dashboard = dashboardOf('fleet.json');
  const answers = await answersOf(dashboard, EVERYTHING, { start: start - SECONDS + 15, end: start + 15 });
  same('Started in time', shown(panelOf('fleet.json', 'Started in time'), 0, answers), (SHARES * 1.8 * 15) / (SHARES * 1.9 * 15 + 900));
});

/** The share that starts in time, where so many that wait are late by now. */
function inTime(overdue: number): number {
  const prompt = rateOf('longshore_queue_wait_seconds_bucket{le="60"}') * SECONDS;
  const late = rateOf('longshore_queue_wait_seconds_count') * SECONDS - prompt - SHARES * FAILURES * SECONDS;
  return prompt / (prompt + late + overdue);
}

function dashboardOf(file: string): Dashboard {
  return OF_PROMETHEUS.find((one) => one.file === file) ?? assert.fail(file);
}

function panelOf(file: string, title: string): Panel {
  return named([dashboardOf(file)]).find(({ panel }) => panel.title === title)?.panel ?? assert.fail(title);
}

function answersOf(dashboard: Dashboard, variables: Readonly<Record<string, Choice>>, span = { start, end }): Promise<Answer[]> {
  return ask(prometheus, dashboard, { span, variables, resolution: { scrape: 15, points: SECONDS / 15 } });
}

/** The last value of every series of a query, by what a legend calls it; of what is summed, the sum. */
function shown(panel: Panel, index: number, answers: readonly Answer[]): Record<string, number> {
  const target = panel.targets[index] ?? assert.fail(panel.title);
  const row = panel.transformations?.flatMap(({ options }) => options.byField ?? [])[0];
  const legend = row === undefined ? (target.legendFormat ?? '') : `{{${row}}}`;
  const series = answers.find(({ panel: of, refId }) => of === nameOf(panel) && refId === target.refId)?.series ?? [];
  return Object.fromEntries(
    series.map(({ metric, values }) => {
      const numbers = values.map(([, value]) => Number(value));
      const sum = SUMMED.includes(`${panel.type}: ${panel.title}`);
      return [legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? ''), sum ? numbers.reduce((one, other) => one + other, 0) : (numbers.at(-1) ?? NaN)];
    }),
  );
}

/** Rates of what grows evenly are exact; what happens now and then is stretched a little by Prometheus. */
function same(what: string, found: Readonly<Record<string, number>>, expected: Values): void {
  const wanted = typeof expected === 'number' ? { [Object.keys(found)[0] ?? '']: expected } : expected;
  assert.deepEqual(Object.keys(found).sort(), Object.keys(wanted).sort(), what);
  for (const [name, value] of Object.entries(wanted)) {
    const difference = Math.abs((found[name] ?? NaN) - value);
    const allowed = /Leases lost/.test(what) || /one by one, G/.test(what) ? 0.1 : Math.abs(value) * 1e-6 + 1e-9;
    assert.ok(difference <= allowed, `${what} ${name}: ${found[name]} is shown, ${value} is right`);
  }
}
