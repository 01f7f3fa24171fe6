// Queue: one queue in depth.
import { ACT, ACTIONS, ENDINGS, GOOD, LOOK, PLAIN, QUANTILES, STATES } from './colours.ts';
import { deploys, type Plan } from './dashboard.ts';
import type { Row } from './layout.ts';
import { BACKLOG_SECONDS, SILENT_SECONDS, START_AGE_SECONDS } from './objectives.ts';
import type { Query } from './panel.ts';
import { lines, number, spread, states } from './panels.ts';
import { growth, max, of, quantile, rate, sum, sumBy } from './promql.ts';
import { workers } from './variables.ts';

const ENDED = 'longshore_messages_ended_total';
const WAIT = 'longshore_queue_wait_seconds';
const PROCESS = 'messaging_process_duration_seconds';
const CALLS = 'longshore_api_calls_total';
const HANDLERS = { title: 'Its handler', url: '/d/longshore-handlers?${datasource:queryparam}&${job:queryparam}&${instance:queryparam}&${queue:queryparam}&${__url_time_range}' };

const catchUp = `${max(of('longshore_backlog_seconds'))} / count(${of('longshore_concurrency')})`;
const quantiles = (metric: string): Query[] => Object.keys(QUANTILES).map((legend, index) => ({ expr: quantile([0.5, 0.9, 0.99][index] ?? 0, metric), legend }));

/** The plan of the dashboard. */
export const queue: Plan = {
  uid: 'longshore-queue',
  title: 'Longshore / Queue',
  description: 'One queue: what waits in it, how fast it is worked off, how its messages end, what is told to SQS.',
  variables: workers('one'),
  annotations: deploys,
  rows: [glance(), waiting(), speed(), endings(), leases(), groups(), calls()],
};

function glance(): Row {
  return {
    question: 'How is it?',
    panels: [
      number({ title: 'Waiting', description: 'Visible messages, by SQS’s approximate count.', unit: 'short', width: 3, query: max(of('longshore_queue_messages', 'state="visible"')), none: 'not known' }),
      number({ title: 'In flight', description: 'Messages that some consumer holds, by SQS’s approximate count.', unit: 'short', width: 3, query: max(of('longshore_queue_messages', 'state="in_flight"')), none: 'not known' }),
      number({ title: 'Oldest message', description: 'The age of the oldest message, estimated from those that were received.', unit: 's', width: 3, query: max(of('longshore_queue_oldest_message_age_seconds')), limits: { look: START_AGE_SECONDS }, none: 'not known' }),
      number({ title: 'Time to catch up', description: 'How long all workers together need for what is in the queue.', unit: 's', width: 3, query: catchUp, limits: { look: BACKLOG_SECONDS / 2, act: BACKLOG_SECONDS }, none: 'not known', runbook: 'LongshoreBacklogAboveObjective' }),
      number({ title: 'Dead letters', description: 'Messages in its DLQ.', unit: 'short', width: 3, query: max(of('longshore_dlq_messages')), limits: { look: 1 }, none: 'no DLQ', runbook: 'LongshoreDlqGrowing' }),
      number({ title: 'Slots in use', description: 'Calls of the handler that run, of those that may.', unit: 'percentunit', width: 3, query: `${sum(of('longshore_handler_calls_running'))} / ${sum(of('longshore_concurrency'))}` }),
      number({ title: 'Workers', description: 'Workers that poll it.', unit: 'short', width: 3, query: `count(${of('longshore_concurrency')})`, none: '0' }),
      number({ title: 'Paused workers', description: 'Workers that pause polling because the handler cannot be reached.', unit: 'short', width: 3, query: sum(of('longshore_polling_paused')), limits: { act: 1 }, runbook: 'LongshoreHandlerDown', links: [HANDLERS] }),
    ],
  };
}

function waiting(): Row {
  return {
    question: 'What waits?',
    panels: [
      lines({ title: 'Messages, by where they are', description: 'By SQS’s approximate counts. Visible and delayed ones wait, those in flight are held by a consumer.', unit: 'short', width: 12, stacked: 'stacked', colours: STATES, queries: [{ expr: `max by (state) (${of('longshore_queue_messages')})`, legend: '{{state}}' }] }),
      lines({ title: 'Dead letters', description: 'Messages in its DLQ.', unit: 'short', width: 12, colours: { 'in the DLQ': 'purple' }, runbook: 'LongshoreDlqGrowing', queries: [{ expr: max(of('longshore_dlq_messages')), legend: 'in the DLQ' }] }),
      lines({ title: 'Oldest message', description: 'The age of the oldest message, estimated from those that were received.', unit: 's', width: 8, colours: { oldest: PLAIN }, queries: [{ expr: max(of('longshore_queue_oldest_message_age_seconds')), legend: 'oldest' }] }),
      lines({ title: 'Time to catch up', description: 'How long all workers together need for what is in the queue.', unit: 's', width: 8, limits: { act: BACKLOG_SECONDS }, colours: { 'to catch up': PLAIN }, runbook: 'LongshoreBacklogAboveObjective', queries: [{ expr: catchUp, legend: 'to catch up' }] }),
      lines({ title: 'Age of the counts', description: 'Seconds since a worker last asked SQS for these counts: about 30 s with traffic, up to 5.5 min on an idle queue. Counts that are too old are not shown.', unit: 's', width: 8, colours: { 'newest count': PLAIN }, queries: [{ expr: `min(${of('longshore_queue_depth_age_seconds')})`, legend: 'newest count' }] }),
    ],
  };
}

function speed(): Row {
  return {
    question: 'How fast is it?',
    panels: [
      lines({ title: 'Through the workers', description: 'Received, started and ended messages; lines that part show where messages pile up.', unit: 'mps', width: 8, colours: { received: 'light-blue', started: PLAIN, ended: GOOD }, queries: [
        { expr: sum(rate('messaging_client_consumed_messages_total')), legend: 'received' },
        { expr: sum(rate('longshore_messages_started_total')), legend: 'started' },
        { expr: sum(rate(ENDED)), legend: 'ended' },
      ] }),
      lines({ title: 'From sending to start', description: 'Quantiles of how long messages waited until their handler started, each try counted from when the message was first sent.', unit: 's', width: 8, limits: { look: START_AGE_SECONDS }, colours: QUANTILES, runbook: 'LongshoreStartAgeBudgetBurn', queries: quantiles(WAIT) }),
      lines({ title: 'Handling time', description: 'Quantiles of how long messages were in their call of the handler.', unit: 's', width: 8, colours: QUANTILES, links: [HANDLERS], queries: quantiles(PROCESS) }),
      spread({ title: 'From sending to start, spread', description: 'How long messages waited until their handler started. Darker: more messages.', unit: 's', width: 12, query: sumBy('le', growth(`${WAIT}_bucket`)) }),
      spread({ title: 'Handling time, spread', description: 'How long messages were in their call of the handler. Darker: more messages.', unit: 's', width: 12, query: sumBy('le', growth(`${PROCESS}_bucket`)) }),
    ],
  };
}

function endings(): Row {
  return {
    question: 'How do messages end?',
    panels: [
      lines({ title: 'Endings', description: 'Done is deleted; retry, timeout and panic come again; reject goes to the DLQ.', unit: 'mps', width: 12, stacked: 'stacked', colours: ENDINGS, queries: [{ expr: sumBy('ending', rate(ENDED)), legend: '{{ending}}' }] }),
      lines({ title: 'Not handled', description: 'Messages given back before their handler started, and such as came again while they were known here, which are not run twice.', unit: 'mps', width: 12, colours: { 'given back': 'yellow', 'came again': 'purple' }, queries: [
        { expr: sum(rate('longshore_messages_given_back_total')), legend: 'given back' },
        { expr: sum(rate('longshore_messages_duplicate_total')), legend: 'came again' },
      ] }),
      lines({ title: 'Settled with SQS', description: 'Messages deleted, given back, or copied to the DLQ, as SQS answered.', unit: 'mps', width: 8, colours: ACTIONS, queries: [{ expr: sumBy('action', rate('longshore_messages_settled_total')), legend: '{{action}}' }] }),
      lines({ title: 'Settling that went wrong', description: 'Entries that were tried again, and those that were given up: a delete that is given up means that its message comes again.', unit: 'mps', width: 8, colours: { 'tried again': LOOK, 'given up': ACT }, runbook: 'LongshoreDeletesFailing', queries: [
        { expr: sum(rate('longshore_settle_retries_total')), legend: 'tried again' },
        { expr: sum(rate('longshore_settle_failures_total')), legend: 'given up' },
      ] }),
      lines({ title: 'Notifications', description: 'What became of notifications over SNS about endings; the settings may ask for none.', unit: 'mps', width: 8, colours: { sent: GOOD, failed: ACT, dropped: LOOK }, queries: [{ expr: sumBy('fate', rate('longshore_notifications_total')), legend: '{{fate}}' }] }),
    ],
  };
}

function leases(): Row {
  return {
    question: 'Are messages kept?',
    panels: [
      lines({ title: 'Held messages', description: 'Messages held and running, under the room for them.', unit: 'short', width: 8, colours: { room: 'dark-blue', held: PLAIN, running: GOOD }, queries: [
        { expr: sum(of('longshore_room')), legend: 'room' },
        { expr: sum(of('longshore_messages_held')), legend: 'held' },
        { expr: sum(of('longshore_messages_running')), legend: 'running' },
      ] }),
      lines({ title: 'Leases extended', description: 'Messages that were kept hidden for longer, because they wait or run.', unit: 'mps', width: 8, colours: { extended: PLAIN }, queries: [{ expr: sum(rate('longshore_lease_extensions_total')), legend: 'extended' }] }),
      lines({ title: 'Leases lost', description: 'Leases lost before their message was settled, since the point before: such messages may be handled twice.', unit: 'short', width: 8, colours: { lost: ACT }, runbook: 'LongshoreLeasesLost', queries: [{ expr: sum(growth('longshore_leases_lost_total')), legend: 'lost' }] }),
    ],
  };
}

function groups(): Row {
  return {
    question: 'Does one group hold up the others?',
    panels: [
      lines({ title: 'Groups held', description: 'Different message groups among the held messages; nothing where messages have no group.', unit: 'short', width: 12, colours: { groups: PLAIN }, queries: [{ expr: sum(of('longshore_groups_held')), legend: 'groups' }] }),
      lines({ title: 'Messages of the largest group', description: 'Held messages of the group that has most in one worker; SQS counts a group as noisy from 30 messages and a tenth of all in flight.', unit: 'short', width: 12, colours: { 'largest group': PLAIN }, queries: [{ expr: max(of('longshore_group_messages_held_max')), legend: 'largest group' }] }),
    ],
  };
}

function calls(): Row {
  return {
    question: 'Does SQS answer?',
    panels: [
      lines({ title: 'Calls', description: 'Calls to SQS, by what they are for.', unit: 'reqps', width: 8, stacked: 'stacked', colours: ACTIONS, queries: [{ expr: sumBy('action', rate(CALLS)), legend: '{{action}}' }] }),
      lines({ title: 'Calls that failed', description: 'Retryable ones are tried again; refused ones need somebody; hung ones had no answer.', unit: 'reqps', width: 8, colours: { retryable: LOOK, refused: ACT, hung: 'dark-red' }, queries: [{ expr: sumBy('result', rate(CALLS, 'result!="ok"')), legend: '{{result}}' }] }),
      lines({ title: 'Time of a call, 95 %', description: 'Nineteen of twenty calls took no longer; a receive includes its wait, up to 20 s.', unit: 's', width: 8, colours: ACTIONS, queries: [{ expr: quantile(0.95, 'messaging_client_operation_duration_seconds', 'messaging_operation_name'), legend: '{{messaging_operation_name}}' }] }),
      lines({ title: 'Longest silence', description: 'Seconds since a receive was last answered, of the worker that waits longest; it grows while there is no room, too.', unit: 's', width: 8, limits: { act: SILENT_SECONDS }, colours: { silence: PLAIN }, runbook: 'LongshoreSilentPoller', queries: [{ expr: max(of('longshore_seconds_since_successful_receive')), legend: 'silence' }] }),
      lines({ title: 'Receives under way', description: 'Long polls now; more are made while they come back full.', unit: 'short', width: 8, colours: { receives: PLAIN }, queries: [{ expr: sum(of('longshore_pollers')), legend: 'receives' }] }),
      states({ title: 'Polling', description: 'Whether any worker pauses polling because the handler cannot be reached.', unit: 'short', width: 8, height: 8, limits: { act: 1 }, good: 'polling', bad: 'paused', runbook: 'LongshoreHandlerDown', queries: [{ expr: max(of('longshore_polling_paused')), legend: 'polling' }] }),
    ],
  };
}
