// Fleet: is it healthy, is it keeping up, what does it cost?
import { ACTIONS, ENDINGS, LOOK, PLAIN } from './colours.ts';
import { deploys, type Plan } from './dashboard.ts';
import type { Row } from './layout.ts';
import { TO_QUEUE, TO_WORKER, UIDS } from './links.ts';
import { BACKLOG_SECONDS, SILENT_SECONDS, START_AGE_SECONDS, START_AGE_SHARE } from './objectives.ts';
import { handlingTimes, lines, number, rows, waits } from './panels.ts';
import { average, growth, increase, max, of, ofWorkers, onceByQueue, rate, share, sum, sumBy } from './promql.ts';
import { text, workers } from './variables.ts';

/** So many hours a month has, when it is paid for. */
const HOURS = 730;
const ENDED = 'longshore_messages_ended_total';
const WAIT = 'longshore_queue_wait_seconds';
const CALLS = 'longshore_api_calls_total';
/** All workers share a queue, so what one would need is shared too. */
const CATCH_UP = `${onceByQueue(of('longshore_backlog_seconds'))} / count by (job, queue) (${of('longshore_concurrency')})`;

/** How long workers have had no answer though they ask, by the same rule as LongshoreSilentPoller. */
const SILENCE = [
  `${of('longshore_seconds_since_successful_receive')} and ${of('longshore_messages_held')} < ${of('longshore_permits')}`,
  `and ${of('longshore_handler_calls_running')} < ${of('longshore_concurrency')} and on (job, instance, queue) max by (job, instance, queue) (${of('longshore_polling_paused')}) == 0`,
  `unless on (job, instance) ${ofWorkers('longshore_drain_seconds')} > 0`,
].join(' ');

/** The plan of the dashboard. */
export const fleet: Plan = {
  uid: UIDS.fleet,
  title: 'Longshore / Fleet',
  description: 'All workers and all their queues: are they healthy, do they keep up, what do they cost?',
  variables: [...workers('many'), text('price', 'USD per million requests', '0.40')],
  annotations: deploys,
  rows: [health(), pace(), queues(), cost(), processes()],
};

function health(): Row {
  const late = `${sum(increase(`${WAIT}_bucket`, `le="${START_AGE_SECONDS}"`))} / (${sum(increase(`${WAIT}_count`))} > 0)`;
  const failed = share(sum(increase(ENDED, 'ending!="done"')), sum(increase(ENDED)));
  return {
    question: 'Is it healthy?',
    panels: [
      number({
        title: 'Workers', unit: 'count', width: 3, none: '0', runbook: 'LongshoreTargetMissing',
        description: 'Workers that Prometheus reaches.',
        query: `count(${ofWorkers('longshore_build_info')})`,
      }),
      number({
        title: 'Handlers down', unit: 'count', width: 3, limits: { act: 1 }, runbook: 'LongshoreHandlerDown',
        description: 'Workers that pause polling a queue because its handler cannot be reached or its breaker is open.',
        query: sum(of('longshore_polling_paused', 'reason=~"handler_down|breaker_open"')),
      }),
      number({
        title: 'Longest silence', unit: 's', width: 3, limits: { look: 45, act: SILENT_SECONDS }, runbook: 'LongshoreSilentPoller',
        description: 'Seconds since SQS last answered a receive, of the worker that waits longest though it has a free slot and a free permit, and neither pauses nor stops. A long poll takes 20 s.',
        query: `${max(SILENCE)} or vector(0)`,
      }),
      number({
        title: 'Started in time', unit: 'percentunit', width: 3, none: 'no messages',
        limits: { look: 0.999, act: START_AGE_SHARE, worse: 'low' }, runbook: 'LongshoreStartAgeBudgetBurn',
        description: `The share of messages that started within ${START_AGE_SECONDS} s of being sent, in the time shown; a retry by when it was first sent.`,
        query: late,
      }),
      number({
        title: 'Not done', unit: 'percentunit', width: 3, none: 'no messages', limits: { look: 0.01, act: 0.1 },
        description: 'The share of messages that ended otherwise than done, in the time shown.',
        query: failed,
      }),
      number({
        title: 'Leases lost', unit: 'count', width: 3, limits: { look: 1 }, runbook: 'LongshoreLeasesLost',
        description: 'Leases lost before their message was settled, in the time shown: such messages may be handled twice.',
        query: sum(increase('longshore_leases_lost_total')),
      }),
      number({
        title: 'Dead letters', unit: 'count', width: 3, none: 'none known', limits: { look: 1 }, runbook: 'LongshoreDlqGrowing',
        description: 'Messages in the DLQs of these queues; none is known where there is no DLQ, or the workers may not ask about it.',
        query: sum(onceByQueue(of('longshore_dlq_messages'))),
      }),
      number({
        title: 'Time to catch up', unit: 's', width: 3, none: 'not known',
        limits: { look: BACKLOG_SECONDS / 2, act: BACKLOG_SECONDS }, runbook: 'LongshoreBacklogAboveObjective',
        description: 'How long the fleet needs for what is in the queue that is furthest behind.',
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
        title: 'Messages in the queues', unit: 'short', width: 8, stacked: 'stacked', colours: { visible: LOOK, in_flight: PLAIN, delayed: 'purple' },
        description: 'Visible and delayed ones wait, those in flight are held by a worker.',
        queries: [{ expr: sumBy('state', `max by (job, queue, state) (${of('longshore_queue_messages')})`), legend: '{{state}}' }],
      }),
      lines({
        title: 'Slots in use, by queue', unit: 'percentunit', width: 8,
        description: 'Calls of the handler that run, of those that may: at 100 % more concurrency or more workers would help.',
        queries: [
          { expr: `${sumBy('queue', average('longshore_handler_calls_running'))} / ${sumBy('queue', average('longshore_concurrency'))}`, legend: '{{queue}}' },
        ],
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
          { title: 'Workers', query: `count by (queue) (${of('longshore_concurrency')})`, unit: 'count' },
          { title: 'Handled', query: sumBy('queue', increase(ENDED)), unit: 'count' },
          { title: 'Not done', query: share(sumBy('queue', increase(ENDED, 'ending!="done"')), sumBy('queue', increase(ENDED))), unit: 'percentunit' },
          { title: 'Slot time each', query: mean, unit: 's' },
          { title: 'Visible', query: byQueue(of('longshore_queue_messages', 'state="visible"')), unit: 'count' },
          { title: 'Oldest', query: byQueue(of('longshore_queue_oldest_message_age_seconds')), unit: 's' },
          { title: 'To catch up', query: byQueue(CATCH_UP), unit: 's' },
          { title: 'In the DLQ', query: byQueue(of('longshore_dlq_messages')), unit: 'count' },
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
        title: 'Workers, by version', unit: 'short', width: 6, stacked: 'stacked',
        description: 'Workers that Prometheus reaches; two versions at once are a deployment under way.',
        queries: [{ expr: `count by (version) (${ofWorkers('longshore_build_info')})`, legend: '{{version}}' }],
      }),
      lines({
        title: 'Stopping and protected', unit: 'short', width: 6, colours: { stopping: LOOK, protected: PLAIN }, runbook: 'LongshoreDrainExceeded',
        description: 'Workers that drain, and tasks that ECS may not end now because long work runs.',
        queries: [
          { expr: `count(${ofWorkers('longshore_drain_seconds')} > 0) or vector(0)`, legend: 'stopping' },
          { expr: `sum(${ofWorkers('longshore_task_protected')}) or vector(0)`, legend: 'protected' },
        ],
      }),
      lines({
        title: 'CPU of a worker', unit: 'cores', width: 6, colours,
        description: 'Cores that the worker itself uses; programs that it starts are not in it.',
        queries: spreadOf(cpu),
      }),
      lines({
        title: 'Memory of a worker', unit: 'bytes', width: 6, colours,
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
          { title: 'Handled', query: sumBy('instance', increase(ENDED)), unit: 'count' },
          { title: 'Running', query: sumBy('instance', of('longshore_handler_calls_running')), unit: 'count' },
          { title: 'Held', query: sumBy('instance', of('longshore_messages_held')), unit: 'count' },
          { title: 'Silence', query: byWorker(SILENCE), unit: 's' },
          { title: 'Paused queues', query: sumBy('instance', of('longshore_polling_paused')), unit: 'count' },
          { title: 'Leases lost', query: sumBy('instance', increase('longshore_leases_lost_total')), unit: 'count' },
          { title: 'CPU', query: byWorker(cpu), unit: 'cores' },
          { title: 'Memory', query: byWorker(ofWorkers('process_resident_memory_bytes')), unit: 'bytes' },
        ],
      }),
    ],
  };
}
