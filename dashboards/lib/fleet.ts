// Fleet: is it healthy, is it keeping up, what does it cost?
import { ACT, ACTIONS, ENDINGS, GOOD, LOOK, PLAIN } from './colours.ts';
import { happenings, type Plan } from './dashboard.ts';
import type { Row } from './layout.ts';
import { TO_QUEUE, TO_WORKER, UIDS } from './links.ts';
import { BACKLOG_SECONDS, SILENT_SECONDS, START_AGE_SECONDS, START_AGE_SHARE } from './objectives.ts';
import { alertList, alertsOverTime } from './alerts.ts';
import { logRow, logVariables } from './logs.ts';
import { bars, course, handlingTimes, lines, number, rows, waits } from './panels.ts';
import { CATCH_UP, FLEET, FLEETS, growth, increase, max, of, ofWorkers, onceByQueue, paused, rate, share, slots, slotsInUse, sum, sumBy } from './promql.ts';
import { traceVariables } from './traces.ts';
import { text, workers } from './variables.ts';

/** So many hours a month has, when it is paid for. */
const HOURS = 730;
const ENDED = 'longshore_messages_ended_total';
const WAIT = 'longshore_queue_wait_seconds';
const CALLS = 'longshore_api_calls_total';
/** How long workers have had no answer though they ask, by the same rule as LongshoreSilentPoller. */
const SILENCE = [
  `${of('longshore_seconds_since_successful_receive')} and ${of('longshore_handler_calls_running')} < ${of('longshore_concurrency')}`,
  `and (${of('longshore_messages_held')} < ${of('longshore_permits')} or ${of('longshore_handler_calls_running')} == 0)`,
  `and on (${FLEET}, instance, queue) max by (${FLEET}, instance, queue) (${of('longshore_polling_paused')}) == 0`,
  `unless on (${FLEET}, instance) ${ofWorkers('longshore_drain_seconds')} > 0`,
].join(' ');

/**
 * Messages that have started in time; those that have started late, without the retries of such as failed; and those that wait and
 * are late by now: of what is visible, as much as the age of the oldest makes likely. Where nothing starts, nothing is in time.
 */
const PROMPT = `(${sum(increase(`${WAIT}_bucket`, `le=~"${START_AGE_SECONDS}(\\\\.0)?"`))} or vector(0))`;
const LATE = `(clamp_min(${sum(increase(`${WAIT}_count`))} - ${sum(increase(`${WAIT}_bucket`, `le=~"${START_AGE_SECONDS}(\\\\.0)?"`))} - ${sum(increase(ENDED, 'ending=~"retry|timeout|panic"'))}, 0) or vector(0))`;
const OLDEST = onceByQueue(of('longshore_queue_oldest_message_age_seconds'));
const OVERDUE = `(${sum(`${onceByQueue(of('longshore_queue_messages', 'state="visible"'))} * clamp_min(1 - ${START_AGE_SECONDS} / ${OLDEST}, 0)`)} or vector(0))`;

const STARTED = ofWorkers('process_start_time_seconds');
/** How many of the targets that are workers answer a scrape, or do not. */
const targets = (is: '0' | '1'): string =>
  `count(${ofWorkers('up')} == ${is} and on (${FLEET}) last_over_time(longshore_build_info{${FLEETS}}[$__range])) or vector(0)`;

/** The plan of the dashboard. */
export const fleet: Plan = {
  uid: UIDS.fleet,
  title: 'Longshore / Fleet',
  description: 'All workers and all their queues: are they healthy, do they keep up, what do they cost?',
  variables: [...workers('many'), text('price', 'USD per million requests', '0.40'), ...traceVariables, ...logVariables],
  annotations: happenings,
  rows: [health(), alerts(), pace(), queues(), processes(), cost(), logRow()],
};

function alerts(): Row {
  return { question: 'What is raised?', panels: [alertList(8), alertsOverTime(16)] };
}

function health(): Row {
  const failed = share(sum(increase(ENDED, 'ending!="done"')), sum(increase(ENDED)));
  return {
    question: 'Is it healthy?',
    panels: [
      course({
        title: 'Workers', unit: 'locale', width: 3, runbook: 'LongshoreTargetMissing',
        description: 'Workers that Prometheus reaches.',
        query: `count(${ofWorkers('longshore_build_info')})`,
      }),
      course({
        title: 'Handlers down', unit: 'locale', width: 3, limits: { act: 1 }, runbook: 'LongshoreHandlerDown',
        description: 'Workers that pause polling a queue because its handler cannot be reached or its breaker is open.',
        query: sum(paused(`${FLEET}, instance, queue`, 'reason=~"handler_down|breaker_open"')),
      }),
      course({
        title: 'Longest silence', unit: 's', width: 3, limits: { look: 45, act: SILENT_SECONDS }, runbook: 'LongshoreSilentPoller',
        description: 'Seconds since SQS last answered a receive, of the worker that waits longest though it has a free slot, and a free permit or no running call, and neither pauses nor stops. A long poll takes 20 s.',
        query: max(SILENCE),
      }),
      number({
        title: 'Started in time', unit: 'percentunit', width: 3, none: 'no messages',
        limits: { look: 0.999, act: START_AGE_SHARE, worse: 'low' }, runbook: 'LongshoreStartAgeBudgetBurn',
        description: `The share of messages that started within ${START_AGE_SECONDS} s of being sent, in the time shown, of all that should have: those that wait still count, retries do not.`,
        query: `${PROMPT} / (${PROMPT} + ${LATE} + ${OVERDUE} > 0)`,
      }),
      number({
        title: 'Not done', unit: 'percentunit', width: 3, none: 'no messages', limits: { look: 0.01, act: 0.1 },
        description: 'The share of messages that ended otherwise than done, in the time shown.',
        query: failed,
      }),
      number({
        title: 'Leases lost', unit: 'locale', width: 3, limits: { look: 1 }, runbook: 'LongshoreLeasesLost',
        description: 'Leases lost before their message was settled, in the time shown: such messages may be handled twice.',
        query: sum(increase('longshore_leases_lost_total')),
      }),
      number({
        title: 'Dead letters', unit: 'locale', width: 3, none: 'none known', limits: { look: 1 }, runbook: 'LongshoreDlqGrowing',
        description: 'Messages in the DLQs of these queues; none is known where there is no DLQ, or the workers may not ask about it.',
        query: sum(onceByQueue(of('longshore_dlq_messages'))),
      }),
      number({
        title: 'Time to catch up', unit: 's', width: 3, none: 'not known',
        limits: { look: BACKLOG_SECONDS / 2, act: BACKLOG_SECONDS }, runbook: 'LongshoreBacklogAboveObjective',
        description: 'How long all workers of a fleet need for what is in the queue that is furthest behind, whichever workers are chosen.',
        query: max(CATCH_UP),
      }),
    ],
  };
}

function pace(): Row {
  return {
    question: 'Is it keeping up?',
    panels: [
      lines({
        title: 'Messages handled, by queue', unit: 'mps', width: 12,
        description: 'Messages whose handler ended, however it did.',
        queries: [{ expr: sumBy('queue', rate(ENDED)), legend: '{{queue}}' }],
      }),
      lines({
        title: 'How messages end', unit: 'mps', width: 12, stacked: 'stacked', colours: ENDINGS,
        description: 'Done is deleted; retry, timeout and panic come again; reject goes to the DLQ.',
        queries: [{ expr: sumBy('ending', rate(ENDED)), legend: '{{ending}}' }],
      }),
      lines({
        title: 'Time to catch up, by queue', unit: 's', width: 8, limits: { act: BACKLOG_SECONDS }, runbook: 'LongshoreBacklogAboveObjective',
        description: 'Seconds of work in the queue, shared among the workers that poll it.',
        queries: [{ expr: `max by (queue) (${CATCH_UP})`, legend: '{{queue}}' }],
      }),
      lines({
        title: 'Messages in the queues', unit: 'locale', width: 8, stacked: 'stacked', colours: { visible: LOOK, in_flight: PLAIN, delayed: 'purple' },
        description: 'Visible and delayed ones wait, those in flight are held by a worker.',
        queries: [{ expr: sumBy('state', `max by (${FLEET}, queue, state) (${of('longshore_queue_messages')})`), legend: '{{state}}' }],
      }),
      lines({
        title: 'Slots in use, by queue', unit: 'percentunit', width: 8,
        description: 'Seconds of work that a second has, of those that the slots allow: at 100 % more concurrency or more workers would help.',
        queries: [{ expr: `${slotsInUse('queue')} / ${slots('queue')}`, legend: '{{queue}}' }],
      }),
      waits({ title: 'From sending to start', width: 12, query: sumBy('le', growth(`${WAIT}_bucket`)) }),
      handlingTimes({ title: 'Handling time', width: 12, query: sumBy('le', growth('messaging_process_duration_seconds_bucket')) }),
    ],
  };
}

function queues(): Row {
  const byQueue = (expression: string) => `max by (queue) (${expression})`;
  const mean = `${sumBy('queue', increase('longshore_work_seconds_total'))} / (${sumBy('queue', increase(ENDED))} > 0)`;
  return {
    question: 'Which queue is it?',
    panels: [
      rows({
        title: 'Queues',
        description: 'Every queue in the time shown; its name leads to its own dashboard.',
        width: 24,
        by: 'queue',
        rowTitle: 'Queue',
        leadsTo: TO_QUEUE,
        columns: [
          { title: 'Workers', query: `count by (queue) (${of('longshore_concurrency')})`, unit: 'locale' },
          { title: 'Handled', query: sumBy('queue', increase(ENDED)), unit: 'locale' },
          { title: 'Not done', query: share(sumBy('queue', increase(ENDED, 'ending!="done"')), sumBy('queue', increase(ENDED))), unit: 'percentunit' },
          { title: 'Slot time each', query: mean, unit: 's' },
          { title: 'Visible', query: byQueue(of('longshore_queue_messages', 'state="visible"')), unit: 'locale' },
          { title: 'Oldest', query: byQueue(of('longshore_queue_oldest_message_age_seconds')), unit: 's' },
          { title: 'To catch up', query: byQueue(CATCH_UP), unit: 's' },
          { title: 'In the DLQ', query: byQueue(of('longshore_dlq_messages')), unit: 'locale' },
        ],
      }),
    ],
  };
}

function cost(): Row {
  const hourly = `${sum(rate(CALLS))} * 3600 / 1000000 * $price`;
  const about = 'SQS counts each call, and each further 64 KiB of it as one more, which is not seen here.';
  return {
    question: 'What does it cost?',
    collapsed: 'collapsed',
    panels: [
      number({
        title: 'Requests an hour', unit: 'short', width: 6,
        description: `Calls to SQS at the present rate. ${about}`,
        query: `${sum(rate(CALLS))} * 3600`,
      }),
      number({
        title: 'Price an hour', unit: 'currencyUSD', width: 6,
        description: `What these calls cost at the price above: 0.40 USD per million for standard queues, 0.50 for FIFO queues. ${about}`,
        query: hourly,
      }),
      number({
        title: 'Price a month', unit: 'currencyUSD', width: 6,
        description: `The same for ${HOURS} hours at the present rate.`,
        query: `${hourly} * ${HOURS}`,
      }),
      number({
        title: 'Requests per 1,000 messages', unit: 'short', width: 6, none: 'no messages',
        description: 'In the time shown; 200 is the least: ten to a receive, ten to a delete. Long polls of idle queues count, too.',
        query: `1000 * ${sum(increase(CALLS))} / (${sum(increase(ENDED))} > 0)`,
      }),
      lines({
        title: 'Requests, by what they are for', unit: 'reqps', width: 12, stacked: 'stacked', colours: ACTIONS,
        description: 'Calls to SQS; extensions keep messages hidden, attributes tell how many wait.',
        queries: [{ expr: sumBy('action', rate(CALLS)), legend: '{{action}}' }],
      }),
      lines({
        title: 'Price an hour, by queue', unit: 'currencyUSD', width: 12,
        description: 'Calls to SQS at the price above.',
        queries: [{ expr: `${sumBy('queue', rate(CALLS))} * 3600 / 1000000 * $price`, legend: '{{queue}}' }],
      }),
    ],
  };
}

function processes(): Row {
  const byWorker = (expression: string) => `max by (instance) (${expression})`;
  const cpu = `rate(${ofWorkers('process_cpu_seconds_total')}[$__rate_interval])`;
  const spreadOf = (expression: string) => [
    { expr: `max(${expression})`, legend: 'most' },
    { expr: `avg(${expression})`, legend: 'average' },
  ];
  const colours = { most: 'dark-blue', average: 'light-blue' };
  return {
    question: 'How are the workers themselves?',
    panels: [
      lines({
        title: 'Workers, by version', unit: 'locale', width: 8, stacked: 'stacked',
        description: 'Workers that Prometheus reaches; two versions at once are a deployment under way.',
        queries: [{ expr: `count by (version) (${ofWorkers('longshore_build_info')})`, legend: '{{version}}' }],
      }),
      lines({
        title: 'Targets', unit: 'locale', width: 8, stacked: 'stacked', colours: { up: GOOD, down: ACT }, runbook: 'LongshoreTargetMissing',
        description: 'Targets of the fleets’ jobs in Prometheus: those that answer a scrape, and those that do not.',
        queries: [
          { expr: targets('1'), legend: 'up' },
          { expr: targets('0'), legend: 'down' },
        ],
      }),
      bars({
        title: 'Restarts', unit: 'locale', width: 8, colours: { restarts: ACT }, runbook: 'LongshoreCrashLoop',
        description: 'Workers that were started anew under their address, since the point before.',
        queries: [{ expr: `count(${STARTED} != ${STARTED} offset $__interval) or vector(0)`, legend: 'restarts' }],
      }),
      lines({
        title: 'Stopping and protected', unit: 'locale', width: 8, colours: { stopping: LOOK, protected: PLAIN }, runbook: 'LongshoreDrainExceeded',
        description: 'Workers that drain, and tasks that ECS may not end now because long work runs.',
        queries: [
          { expr: `count(${ofWorkers('longshore_drain_seconds')} > 0) or vector(0)`, legend: 'stopping' },
          { expr: `sum(${ofWorkers('longshore_task_protected')}) or vector(0)`, legend: 'protected' },
        ],
      }),
      lines({
        title: 'CPU of a worker', unit: 'short', width: 8, colours,
        description: 'Cores that the worker itself uses; programs that it starts are not in it.',
        queries: spreadOf(cpu),
      }),
      lines({
        title: 'Memory of a worker', unit: 'bytes', width: 8, colours,
        description: 'Resident memory of the worker itself; programs that it starts are not in it.',
        queries: spreadOf(ofWorkers('process_resident_memory_bytes')),
      }),
      rows({
        title: 'Workers, one by one',
        description: 'Which worker is it? Its name leads to it alone. The silence is empty for one that does not ask: it is full, paused or stops.',
        width: 24,
        by: 'instance',
        rowTitle: 'Worker',
        leadsTo: TO_WORKER,
        columns: [
          { title: 'Up for', query: `time() - ${byWorker(ofWorkers('process_start_time_seconds'))}`, unit: 's' },
          { title: 'Handled', query: sumBy('instance', increase(ENDED)), unit: 'locale' },
          { title: 'Running', query: sumBy('instance', of('longshore_handler_calls_running')), unit: 'locale' },
          { title: 'Held', query: sumBy('instance', of('longshore_messages_held')), unit: 'locale' },
          { title: 'Silence', query: byWorker(SILENCE), unit: 's' },
          { title: 'Paused queues', query: sumBy('instance', paused(`${FLEET}, instance, queue`)), unit: 'locale' },
          { title: 'Leases lost', query: sumBy('instance', increase('longshore_leases_lost_total')), unit: 'locale' },
          { title: 'CPU', query: byWorker(cpu), unit: 'short' },
          { title: 'Memory', query: byWorker(ofWorkers('process_resident_memory_bytes')), unit: 'bytes' },
        ],
      }),
    ],
  };
}
