// Handlers: what runs behind the queues, by kind.
import { ACT, ENDINGS, GOOD, LOOK, PROCESSES } from './colours.ts';
import { happenings, type Plan } from './dashboard.ts';
import type { Row } from './layout.ts';
import { TO_QUEUE, UIDS } from './links.ts';
import { course, handlingTimes, lines, number, rows, states } from './panels.ts';
import { average, FLEET, FLEETS, growth, increase, of, paused, rate, share, sumBy } from './promql.ts';
import { traces, traceVariables } from './traces.ts';
import { labels, workers } from './variables.ts';

const ENDED = 'longshore_messages_ended_total';
const PROCESS = 'messaging_process_duration_seconds';
const FAILURES = 'longshore_handler_failures_total';
const DOWN = paused(`${FLEET}, instance, queue`, 'reason=~"handler_down|breaker_open"');

/** Whatever is told of a queue, with the kind of its handler, of the kinds that are chosen. */
const ofKind = (expression: string) => `${expression} * on (${FLEET}, instance, queue) group_left (kind) ${of('longshore_handler_info', 'kind=~`${kind:regex}`')}`;
const byKind = (expression: string) => sumBy('kind', ofKind(expression));
const inAll = (expression: string) => `sum(${ofKind(expression)})`;
const quantileBy = (q: number, by: string) => `histogram_quantile(${q}, ${sumBy(`le, ${by}`, ofKind(rate(`${PROCESS}_bucket`)))})`;

/** The plan of the dashboard. */
export const handlers: Plan = {
  uid: UIDS.handlers,
  title: 'Longshore / Handlers',
  description: 'What runs behind the queues: programs, functions and services, by kind; how long they take, how they fail, whether they are down.',
  variables: [...workers('many'), labels('kind', 'Kind', `label_values(longshore_handler_info{${FLEETS}}, kind)`, 'many'), ...traceVariables],
  annotations: happenings,
  rows: [glance(), durations(), failures(), down(), processes(), sns()],
};

function glance(): Row {
  const failed = share(inAll(increase(ENDED, 'ending!~"done|reject"')), inAll(increase(ENDED)));
  return {
    question: 'Do they work?',
    panels: [
      course({
        title: 'Down', unit: 'locale', width: 4, limits: { act: 1 }, runbook: 'LongshoreHandlerDown',
        description: 'Handlers that cannot be reached or whose breaker is open, in all workers; polling of their queues is paused.',
        query: inAll(DOWN),
      }),
      number({
        title: 'Failed', unit: 'percentunit', width: 4, none: 'no messages', limits: { look: 0.01, act: 0.1 },
        description: 'The share of messages that ended neither done nor rejected, in the time shown.',
        query: failed,
      }),
      number({
        title: 'Time-outs', unit: 'locale', width: 4, runbook: 'LongshoreFailing', limits: { look: 1 },
        description: 'Messages whose handler passed its time limit, in the time shown.',
        query: inAll(increase(ENDED, 'ending="timeout"')),
      }),
      number({
        title: 'Handling time, 95 %', unit: 's', width: 4, none: 'no messages',
        description: 'Nineteen of twenty messages were handled in less, at present.',
        query: `histogram_quantile(0.95, ${sumBy('le', ofKind(rate(`${PROCESS}_bucket`)))})`,
      }),
      course({
        title: 'Slots in use', unit: 'percentunit', width: 4,
        description: 'Seconds of work that a second has, of those that the slots allow.',
        query: `${inAll(rate('longshore_work_seconds_total'))} / ${inAll(average('longshore_concurrency'))}`,
      }),
      number({
        title: 'Processes that crashed', unit: 'locale', width: 4, none: 'no processes', limits: { look: 1 },
        description: 'Runtimes and programs that ended by themselves and should not have, in the time shown.',
        query: inAll(increase('longshore_handler_process_exits_total', 'cause="crashed"')),
      }),
    ],
  };
}

function durations(): Row {
  return {
    question: 'How long do they take?',
    panels: [
      lines({
        title: 'Handling time, median by kind', unit: 's', width: 8,
        description: 'Half of the messages were handled in less.',
        queries: [{ expr: quantileBy(0.5, 'kind'), legend: '{{kind}}' }],
      }),
      lines({
        title: 'Handling time, 99 % by kind', unit: 's', width: 8, links: traces('all'),
        description: 'All but one in a hundred messages were handled in less.',
        queries: [{ expr: quantileBy(0.99, 'kind'), legend: '{{kind}}' }],
      }),
      handlingTimes({ title: 'Handling time, spread', width: 8, query: sumBy('le', ofKind(growth(`${PROCESS}_bucket`))) }),
      lines({
        title: 'Messages handled, by kind', unit: 'mps', width: 8,
        description: 'Messages whose handler ended, however it did.',
        queries: [{ expr: byKind(rate(ENDED)), legend: '{{kind}}' }],
      }),
      lines({
        title: 'Calls running, by kind', unit: 'short', width: 8,
        description: 'Calls of handlers at once, on average, by their seconds of work a second; a batch is one.',
        queries: [{ expr: byKind(rate('longshore_work_seconds_total')), legend: '{{kind}}' }],
      }),
      lines({
        title: 'Slot time of a message, by kind', unit: 's', width: 8,
        description: 'How long a message keeps a slot busy; a batch shares its time among its messages.',
        queries: [{ expr: `${byKind(rate('longshore_work_seconds_total'))} / (${byKind(rate(ENDED))} > 0)`, legend: '{{kind}}' }],
      }),
    ],
  };
}

function failures(): Row {
  return {
    question: 'How do they fail?',
    panels: [
      lines({
        title: 'Failures, by cause', unit: 'ops', width: 12, runbook: 'LongshoreFailing', links: traces('all'),
        description: 'What went wrong in calls of handlers: statuses, exits, connections, answers that cannot be read.',
        queries: [{ expr: sumBy('cause', ofKind(rate(FAILURES))), legend: '{{cause}}' }],
      }),
      lines({
        title: 'Endings other than done', unit: 'mps', width: 12, stacked: 'stacked', colours: ENDINGS,
        description: 'Retry, timeout and panic come again; reject goes to the DLQ.',
        queries: [{ expr: sumBy('ending', ofKind(rate(ENDED, 'ending!="done"'))), legend: '{{ending}}' }],
      }),
      rows({
        title: 'Handlers',
        description: 'The handler of every queue in the time shown; the queue’s name leads to its own dashboard.',
        width: 24,
        by: 'queue',
        rowTitle: 'Queue',
        leadsTo: TO_QUEUE,
        columns: [
          { title: 'Handled', query: sumBy('queue', ofKind(increase(ENDED))), unit: 'locale' },
          { title: 'Median', query: quantileBy(0.5, 'queue'), unit: 's' },
          { title: '99 %', query: quantileBy(0.99, 'queue'), unit: 's' },
          { title: 'Failures', query: sumBy('queue', ofKind(increase(FAILURES))), unit: 'locale' },
          { title: 'Rejected', query: sumBy('queue', ofKind(increase(ENDED, 'ending="reject"'))), unit: 'locale' },
          { title: 'Time-outs', query: sumBy('queue', ofKind(increase(ENDED, 'ending="timeout"'))), unit: 'locale' },
          { title: 'Down', query: sumBy('queue', ofKind(DOWN)), unit: 'locale' },
        ],
      }),
    ],
  };
}

function down(): Row {
  return {
    question: 'When were they down?',
    panels: [
      states({
        title: 'Polling, by queue', unit: 'short', width: 16, height: 8, good: 'polling', bad: 'paused',
        limits: { act: 1 }, runbook: 'LongshoreHandlerDown',
        description: 'Paused while any worker cannot reach the handler or its breaker is open; no receive count is spent meanwhile.',
        queries: [{ expr: `max by (queue) (${ofKind(DOWN)})`, legend: '{{queue}}' }],
      }),
      lines({
        title: 'Given back unhandled', unit: 'mps', width: 8, colours: { 'given back': 'yellow', kept: 'purple' },
        description: 'Messages given back before their handler started: while it is down, at a stop, or behind a failed message of their FIFO group; and those kept, for want of descriptors, processes, memory or an available handler.',
        queries: [
          { expr: inAll(rate('longshore_messages_given_back_total')), legend: 'given back' },
          { expr: inAll(rate('longshore_messages_kept_total')), legend: 'kept' },
        ],
      }),
    ],
  };
}

function processes(): Row {
  return {
    question: 'Do their processes live?',
    panels: [
      lines({
        title: 'Processes, by state', unit: 'short', width: 8, stacked: 'stacked', colours: PROCESSES,
        description: 'Runtimes of Lambda functions and programs of the exec kind; waiting ones are to be started again after a crash.',
        queries: [{ expr: sumBy('state', ofKind(average('longshore_handler_processes'))), legend: '{{state}}' }],
      }),
      lines({
        title: 'Starts, by queue', unit: 'ops', width: 8,
        description: 'Processes that were started. A program of the exec kind is started for each message.',
        queries: [{ expr: sumBy('queue', ofKind(rate('longshore_handler_process_starts_total'))), legend: '{{queue}}' }],
      }),
      lines({
        title: 'Exits, by cause', unit: 'ops', width: 8, colours: { expected: GOOD, crashed: ACT, killed: LOOK },
        description: 'Expected ones ended as they should, crashed ones by themselves, killed ones were ended by the worker.',
        queries: [{ expr: sumBy('cause', ofKind(rate('longshore_handler_process_exits_total'))), legend: '{{cause}}' }],
      }),
    ],
  };
}

function sns(): Row {
  return {
    question: 'Is anything published?',
    collapsed: 'collapsed',
    panels: [
      lines({
        title: 'Calls to SNS', unit: 'reqps', width: 12, colours: { ok: GOOD, retryable: LOOK, refused: ACT, hung: 'dark-red' },
        description: 'Publications by the sns kind and notifications about endings, as SNS answered.',
        queries: [{ expr: sumBy('result', ofKind(rate('longshore_sns_calls_total'))), legend: '{{result}}' }],
      }),
      lines({
        title: 'Notifications, by occasion', unit: 'mps', width: 12, colours: { done: GOOD, failure: LOOK, reject: 'purple', exhausted: ACT },
        description: 'Notifications over SNS about messages that are done, failed, were rejected or have used up their receives; the settings may ask for none.',
        queries: [{ expr: sumBy('occasion', ofKind(rate('longshore_notifications_total'))), legend: '{{occasion}}' }],
      }),
    ],
  };
}
