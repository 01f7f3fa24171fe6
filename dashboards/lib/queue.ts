// Queue: one queue in depth.
import { ACT, ACTIONS, ENDINGS, GOOD, LOOK, PLAIN, QUANTILES, STATES } from './colours.ts';
import { happenings, type Plan } from './dashboard.ts';
import type { Row } from './layout.ts';
import { TO_HANDLER, UIDS } from './links.ts';
import { BACKLOG_SECONDS, COUNTS_AGE_SECONDS, RETENTION_SHARE, SETTLING_SECONDS, SILENT_SECONDS, START_AGE_SECONDS } from './objectives.ts';
import type { Query } from './panel.ts';
import { logRow, logVariables } from './logs.ts';
import { bars, course, handlingTimes, lines, number, states, waits } from './panels.ts';
import { average, CATCH_UP, FLEET, grown, growth, max, of, paused, quantile, rate, slots, slotsInUse, sum, sumBy } from './promql.ts';
import { traces, traceVariables } from './traces.ts';
import { inSqs, workers } from './variables.ts';

const ENDED = 'longshore_messages_ended_total';
const WAIT = 'longshore_queue_wait_seconds';
const PROCESS = 'messaging_process_duration_seconds';
const CALLS = 'longshore_api_calls_total';

const catchUp = max(CATCH_UP);
const RETENTION = max(of('longshore_queue_retention_seconds'));

/** The three quantiles that are shown of a histogram. */
function quantiles(metric: string): Query[] {
  return Object.keys(QUANTILES).map((legend, index) => ({ expr: quantile([0.5, 0.9, 0.99][index] ?? 0, metric), legend }));
}

/** The plan of the dashboard. */
export const queue: Plan = {
  uid: UIDS.queue,
  title: 'Longshore / Queue',
  description: 'One queue: what waits in it, how fast it is worked off, how its messages end, what is told to SQS.',
  variables: [...workers('one'), inSqs, ...traceVariables, ...logVariables],
  annotations: happenings,
  rows: [glance(), waiting(), speed(), endings(), running(), leases(), groups(), calls(), logRow(' | queue=~`${queue:regex}`')],
};

function glance(): Row {
  return {
    question: 'How is it?',
    panels: [
      number({
        title: 'Waiting', unit: 'locale', width: 3, none: 'not known',
        description: 'Visible messages, by SQS’s approximate count.',
        query: max(of('longshore_queue_messages', 'state="visible"')),
      }),
      number({
        title: 'In flight', unit: 'locale', width: 3, none: 'not known',
        description: 'Messages that some consumer holds, by SQS’s approximate count.',
        query: max(of('longshore_queue_messages', 'state="in_flight"')),
      }),
      number({
        title: 'Oldest message', unit: 's', width: 3, none: 'not known', limits: { look: START_AGE_SECONDS },
        description: 'The age of the oldest message, estimated from those that were received.',
        query: max(of('longshore_queue_oldest_message_age_seconds')),
      }),
      number({
        title: 'Time to catch up', unit: 's', width: 3, none: 'not known',
        limits: { look: BACKLOG_SECONDS / 2, act: BACKLOG_SECONDS }, runbook: 'LongshoreBacklogAboveObjective',
        description: 'How long all workers of the fleet together need for what is in the queue, whichever of them are chosen.',
        query: catchUp,
      }),
      number({
        title: 'Dead letters', unit: 'locale', width: 3, none: 'none known', limits: { look: 1 }, runbook: 'LongshoreDlqGrowing',
        description: 'Messages in its DLQ; none is known where there is no DLQ, or the worker may not ask about it.',
        query: max(of('longshore_dlq_messages')),
      }),
      course({
        title: 'Slots in use', unit: 'percentunit', width: 3,
        description: 'Seconds of work that a second has, of those that the slots allow.',
        query: `${slotsInUse('')} / ${slots('')}`,
      }),
      course({
        title: 'Workers', unit: 'locale', width: 3,
        description: 'Workers that poll it.',
        query: `count(${of('longshore_concurrency')})`,
      }),
      course({
        title: 'Paused workers', unit: 'locale', width: 3, limits: { act: 1 }, runbook: 'LongshoreHandlerDown', links: [TO_HANDLER],
        description: 'Workers that pause polling: the handler cannot be reached or its breaker is open, they are short of descriptors, processes or memory, or an operator paused the queue.',
        query: sum(paused(`${FLEET}, instance`)),
      }),
    ],
  };
}

function waiting(): Row {
  return {
    question: 'What waits?',
    panels: [
      lines({
        title: 'Messages, by where they are', unit: 'locale', width: 12, stacked: 'stacked', colours: STATES,
        description: 'By SQS’s approximate counts. Visible and delayed ones wait, those in flight are held by a consumer.',
        queries: [{ expr: `max by (state) (${of('longshore_queue_messages')})`, legend: '{{state}}' }],
      }),
      lines({
        title: 'Dead letters', unit: 'locale', width: 12, colours: { 'in the DLQ': 'purple' }, runbook: 'LongshoreDlqGrowing',
        description: 'Messages in its DLQ.',
        queries: [{ expr: max(of('longshore_dlq_messages')), legend: 'in the DLQ' }],
      }),
      lines({
        title: 'Oldest message', unit: 's', width: 8, colours: { oldest: PLAIN }, runbook: 'LongshoreOldestWaiting',
        description: 'The age of the oldest message, estimated from those that were received.',
        queries: [{ expr: max(of('longshore_queue_oldest_message_age_seconds')), legend: 'oldest' }],
      }),
      lines({
        title: 'Time to catch up', unit: 's', width: 8,
        limits: { act: BACKLOG_SECONDS }, colours: { 'to catch up': PLAIN }, runbook: 'LongshoreBacklogAboveObjective',
        description: 'How long all workers of the fleet together need for what is in the queue, whichever of them are chosen.',
        queries: [{ expr: catchUp, legend: 'to catch up' }],
      }),
      lines({
        title: 'Age of the counts', unit: 's', width: 8,
        limits: { look: COUNTS_AGE_SECONDS }, colours: { 'newest count': PLAIN }, runbook: 'LongshoreDepthUnknown',
        description: 'Seconds since SQS last told these counts: up to 30 s with traffic, 5.5 min without. Counts that are too old are not shown.',
        queries: [{ expr: `min(${of('longshore_queue_depth_age_seconds')})`, legend: 'newest count' }],
      }),
    ],
  };
}

function speed(): Row {
  return {
    question: 'How fast is it?',
    panels: [
      lines({
        title: 'Through the workers', unit: 'mps', width: 8, colours: { received: 'light-blue', started: PLAIN, ended: GOOD },
        description: 'Received, started and ended messages; lines that part show where messages pile up.',
        queries: [
          { expr: sum(rate('messaging_client_consumed_messages_total')), legend: 'received' },
          { expr: sum(rate('longshore_messages_started_total')), legend: 'started' },
          { expr: sum(rate(ENDED)), legend: 'ended' },
        ],
      }),
      lines({
        title: 'From sending to start', unit: 's', width: 8,
        limits: { look: START_AGE_SECONDS }, colours: QUANTILES, runbook: 'LongshoreStartAgeBudgetBurn',
        description: 'Quantiles of how long messages waited until their handler started, each try counted from when the message was first sent.',
        queries: quantiles(WAIT),
      }),
      lines({
        title: 'Handling time', unit: 's', width: 8, colours: QUANTILES, links: [...traces('queue'), TO_HANDLER],
        description: 'Quantiles of how long messages were in their call of the handler.',
        queries: quantiles(PROCESS),
      }),
      waits({ title: 'From sending to start, spread', width: 12, query: sumBy('le', growth(`${WAIT}_bucket`)) }),
      handlingTimes({ title: 'Handling time, spread', width: 12, query: sumBy('le', growth(`${PROCESS}_bucket`)) }),
    ],
  };
}

function endings(): Row {
  return {
    question: 'How do messages end?',
    panels: [
      lines({
        title: 'Endings', unit: 'mps', width: 8, stacked: 'stacked', colours: ENDINGS,
        description: 'Done is deleted; retry, timeout and panic come again; reject goes to the DLQ.',
        queries: [{ expr: sumBy('ending', rate(ENDED)), legend: '{{ending}}' }],
      }),
      lines({
        title: 'Failures, by cause', unit: 'ops', width: 8, runbook: 'LongshoreFailing', links: [...traces('queue'), TO_HANDLER],
        description: 'What went wrong in calls of the handler: statuses, exits, connections, time-outs, answers that cannot be read.',
        queries: [{ expr: sumBy('cause', rate('longshore_handler_failures_total')), legend: '{{cause}}' }],
      }),
      lines({
        title: 'Not handled', unit: 'mps', width: 8, colours: { 'given back': 'yellow', 'came again': 'purple', 'receives used up': ACT },
        description: 'Messages given back before their handler started, such as came again while they were known here, which are not run twice, and such as have used up their receives, which go to the DLQ.',
        queries: [
          { expr: sum(rate('longshore_messages_given_back_total')), legend: 'given back' },
          { expr: sum(rate('longshore_messages_duplicate_total')), legend: 'came again' },
          { expr: sum(rate('longshore_messages_exhausted_total')), legend: 'receives used up' },
        ],
      }),
      lines({
        title: 'Settled with SQS', unit: 'mps', width: 8, colours: ACTIONS,
        description: 'Messages deleted, given back, or copied to the DLQ, as SQS answered.',
        queries: [{ expr: sumBy('action', rate('longshore_messages_settled_total')), legend: '{{action}}' }],
      }),
      lines({
        title: 'Settling that went wrong', unit: 'mps', width: 8,
        colours: { 'tried again': LOOK, 'given up': ACT }, runbook: 'LongshoreDeletesFailing',
        description: 'Entries that were tried again, and those that were given up: a delete that is given up means that its message comes again.',
        queries: [
          { expr: sum(rate('longshore_settle_retries_total')), legend: 'tried again' },
          { expr: sum(rate('longshore_settle_failures_total')), legend: 'given up' },
        ],
      }),
      lines({
        title: 'Notifications', unit: 'mps', width: 8, colours: { sent: GOOD, failed: ACT, dropped: LOOK },
        description: 'What became of notifications over SNS about endings; the settings may ask for none.',
        queries: [{ expr: sumBy('result', rate('longshore_notifications_total')), legend: '{{result}}' }],
      }),
    ],
  };
}

function running(): Row {
  return {
    question: 'Does anything stand still?',
    panels: [
      lines({
        title: 'Oldest running call', unit: 's', width: 8, colours: { running: PLAIN }, runbook: 'LongshoreHandlerHangs',
        description: 'Seconds for which the oldest call of the handler has run, of all workers.',
        queries: [{ expr: max(of('longshore_oldest_running_seconds')), legend: 'running' }],
      }),
      lines({
        title: 'Oldest message, of its retention', unit: 'percentunit', width: 8, limits: { act: RETENTION_SHARE }, runbook: 'LongshoreRetentionNear',
        colours: { 'in the queue': LOOK, 'in a worker': PLAIN },
        description: 'How long the oldest message has waited in the queue, and in a worker that has received it, as a share of the queue’s retention; at 100 % SQS deletes a message.',
        queries: [
          { expr: `${max(of('longshore_queue_oldest_message_age_seconds'))} / ${RETENTION}`, legend: 'in the queue' },
          { expr: `${max(of('longshore_oldest_waiting_seconds'))} / ${RETENTION}`, legend: 'in a worker' },
        ],
      }),
      lines({
        title: 'Oldest that SQS has not confirmed', unit: 's', width: 8, limits: { act: SETTLING_SECONDS }, colours: { oldest: PLAIN }, runbook: 'LongshoreSettlingStuck',
        description: 'How long the oldest message whose handler ended has waited until SQS confirms its delete, give-back or copy to the DLQ.',
        queries: [{ expr: max(of('longshore_oldest_settling_seconds')), legend: 'oldest' }],
      }),
    ],
  };
}

function leases(): Row {
  return {
    question: 'Are messages kept?',
    panels: [
      lines({
        title: 'Held messages', unit: 'short', width: 8, colours: { permits: 'dark-blue', held: PLAIN, running: GOOD, settling: LOOK },
        description: 'Messages held, running and being settled on average, under the permits for them.',
        queries: [
          { expr: sum(average('longshore_permits')), legend: 'permits' },
          { expr: sum(average('longshore_messages_held')), legend: 'held' },
          { expr: sum(average('longshore_messages_running')), legend: 'running' },
          { expr: sum(average('longshore_settling')), legend: 'settling' },
        ],
      }),
      lines({
        title: 'Leases extended', unit: 'mps', width: 8, colours: { extended: PLAIN },
        description: 'Messages that were kept hidden for longer, because they wait or run.',
        queries: [{ expr: sum(rate('longshore_lease_extensions_total')), legend: 'extended' }],
      }),
      bars({
        title: 'Leases lost', unit: 'locale', width: 8, colours: { lost: ACT }, runbook: 'LongshoreLeasesLost',
        description: 'Leases lost before their message was settled, since the point before: such messages may be handled twice.',
        queries: [{ expr: sum(grown('longshore_leases_lost_total')), legend: 'lost' }],
      }),
    ],
  };
}

function groups(): Row {
  return {
    question: 'Does one group hold up the others?',
    collapsed: 'collapsed',
    panels: [
      lines({
        title: 'Groups held', unit: 'short', width: 12, colours: { groups: PLAIN },
        description: 'Different message groups among the held messages; nothing where messages have no group.',
        queries: [{ expr: sum(average('longshore_groups_held')), legend: 'groups' }],
      }),
      lines({
        title: 'Messages of the largest group', unit: 'short', width: 12, colours: { 'largest group': PLAIN },
        description: 'Held messages of the group that has most in one worker; SQS counts a group as noisy from 30 messages and a tenth of all in flight.',
        queries: [{ expr: max(of('longshore_group_messages_held_max')), legend: 'largest group' }],
      }),
    ],
  };
}

function calls(): Row {
  return {
    question: 'Does SQS answer?',
    collapsed: 'collapsed',
    panels: [
      lines({
        title: 'Calls', unit: 'reqps', width: 8, stacked: 'stacked', colours: ACTIONS,
        description: 'Calls to SQS, by what they are for.',
        queries: [{ expr: sumBy('action', rate(CALLS)), legend: '{{action}}' }],
      }),
      lines({
        title: 'Calls that failed', unit: 'reqps', width: 8, colours: { retryable: LOOK, refused: ACT, hung: 'dark-red' },
        description: 'Retryable ones are tried again; refused ones need somebody; hung ones had no answer.',
        queries: [{ expr: sumBy('result', rate(CALLS, 'result!="ok"')), legend: '{{result}}' }],
      }),
      lines({
        title: 'Time of a call, 95 %', unit: 's', width: 8, colours: ACTIONS,
        description: 'Nineteen of twenty calls took no longer; a receive includes its wait, up to 20 s.',
        queries: [
          { expr: quantile(0.95, 'messaging_client_operation_duration_seconds', 'messaging_operation_name'), legend: '{{messaging_operation_name}}' },
        ],
      }),
      lines({
        title: 'Longest silence', unit: 's', width: 8, limits: { act: SILENT_SECONDS }, colours: { silence: PLAIN }, runbook: 'LongshoreSilentPoller',
        description: 'Seconds since a receive was last answered, of the worker that waits longest; it grows while no permit is free, too.',
        queries: [{ expr: max(of('longshore_seconds_since_successful_receive')), legend: 'silence' }],
      }),
      lines({
        title: 'Receives under way', unit: 'short', width: 8, colours: { receives: PLAIN },
        description: 'Long polls now; more are made while they come back full.',
        queries: [{ expr: sum(average('longshore_pollers')), legend: 'receives' }],
      }),
      states({
        title: 'Polling', unit: 'short', width: 8, height: 8, good: 'polling', bad: 'paused', limits: { act: 1 }, runbook: 'LongshoreHandlerDown',
        description: 'Whether any worker pauses polling because the handler cannot be reached or its breaker is open, for want of descriptors, processes or memory, or because an operator said so.',
        queries: [
          { expr: max(of('longshore_polling_paused', 'reason=~"handler_down|breaker_open"')), legend: 'handler' },
          { expr: max(of('longshore_polling_paused', 'reason="short_of_resources"')), legend: 'resources' },
          { expr: max(of('longshore_polling_paused', 'reason="operator"')), legend: 'operator' },
        ],
      }),
    ],
  };
}
