// CloudWatch: one queue with its tasks and APIs, for those who have no Prometheus.
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { Panel, VariableModel } from '@grafana/grafana-foundation-sdk/dashboard';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import * as logs from '@grafana/grafana-foundation-sdk/cloudwatch';
import { ACT, GOOD, LOOK, PLAIN, STATES } from './colours.ts';
import { inDlq, type Metric, ofHttp, ofQueue, ofRest, ofService, ofTasks, ofWorkers, queries, type Sum } from './cloudwatch_metrics.ts';
import type { Plan } from './dashboard.ts';
import type { Row } from './layout.ts';
import { UIDS } from './links.ts';
import { BACKLOG_SECONDS } from './objectives.ts';
import { type About, CLOUDWATCH, coloured } from './panel.ts';
import { FIELDS, frame, traceFrame } from './logs.ts';
import { digits, frame as linesFrame, type Lines } from './panels.ts';
import { traceVariablesOnAws, tracesOnAws } from './traces.ts';
import { datasource } from './variables.ts';

const VISIBLE = ofQueue('visible', 'ApproximateNumberOfMessagesVisible', 'Maximum', 'visible');
const IN_FLIGHT = ofQueue('inflight', 'ApproximateNumberOfMessagesNotVisible', 'Maximum', 'in_flight');
const OLDEST = ofQueue('oldest', 'ApproximateAgeOfOldestMessage', 'Maximum', 'oldest');
const TASKS = ofTasks('tasks', 'RunningTaskCount', 'running');
const EACH = ofWorkers('each', 'SecondsPerMessage', 'Average', 'seconds of a slot');
const SLOTS = ofWorkers('slots', 'Concurrency', 'Average', 'slots of a task');
/** What the scaling policy goes by, in seconds. */
const CATCH_UP: Sum = {
  id: 'catchup',
  expression: '(visible + inflight) * FILL(each, REPEAT) / (IF(tasks > 0, tasks, 1) * FILL(slots, REPEAT))',
  label: 'to catch up',
};
const TO_CATCH_UP = [VISIBLE, IN_FLIGHT, EACH, TASKS, SLOTS];

/** The plan of the dashboard. */
export const cloudwatch: Plan = {
  uid: UIDS.cloudwatch,
  title: 'Longshore / CloudWatch',
  description: 'One queue with its DLQ, its tasks on ECS and the APIs in front of it, from what CloudWatch has; no Prometheus is needed.',
  variables: variables(),
  annotations: [],
  rows: [glance(), waiting(), speed(), tasks(), apis(), log()],
};

function variables(): Builder<VariableModel>[] {
  const values = (namespace: string, metric: string, dimension: string, filter = '') => `dimension_values(\${region},${namespace},${metric},${dimension}${filter})`;
  const queueNames = values('AWS/SQS', 'ApproximateNumberOfMessagesVisible', 'QueueName');
  return [
    datasource('cloudwatch'),
    choice('region', 'Region', 'regions()'),
    // What the stacks of deploy/ call `{project}-{stage}`: all that follows is that deployment's, unless another name is typed in.
    choice('stack', 'Stack', queueNames, '/^(.+)-queue(?:\\.fifo)?$/'),
    choice('queue', 'Queue', queueNames, '/^${stack}-queue(?:\\.fifo)?$/'),
    choice('dlq', 'DLQ', queueNames, '/^${stack}-dlq(?:\\.fifo)?$/'),
    choice('cluster', 'Cluster', values('AWS/ECS', 'CPUUtilization', 'ClusterName'), '/^${stack}$/'),
    choice('service', 'Service', values('AWS/ECS', 'CPUUtilization', 'ServiceName', ',{"ClusterName":"${cluster}"}'), '/^${stack}-worker$/'),
    choice('rest_api', 'REST API', values('AWS/ApiGateway', 'IntegrationLatency', 'ApiName'), '/^${stack}-rest-api$/'),
    choice('http_api', 'HTTP API', values('AWS/ApiGateway', 'IntegrationLatency', 'ApiId')),
    ...traceVariablesOnAws,
  ];
}

function choice(name: string, label: string, query: string, regex?: string): Builder<VariableModel> {
  const builder = new dashboard.QueryVariableBuilder(name).label(label).datasource(CLOUDWATCH).query(query).definition(query);
  if (regex !== undefined) builder.regex(regex);
  return builder.refresh(dashboard.VariableRefresh.OnDashboardLoad).sort(dashboard.VariableSort.AlphabeticalCaseInsensitiveAsc);
}

interface Shown {
  readonly metrics: readonly Metric[];
  readonly sums?: readonly Sum[];
}

function number(about: About & Shown & { readonly none?: string }): Builder<Panel> {
  return digits({ ...about, height: 4 }).datasource(CLOUDWATCH).targets(queries(about.metrics, about.sums));
}

function lines(about: Omit<Lines, 'queries'> & Shown): Builder<Panel> {
  const builder = linesFrame(about).datasource(CLOUDWATCH).targets(queries(about.metrics, about.sums));
  for (const [name, colour] of Object.entries(about.colours ?? {})) builder.overrideByName(name, coloured(colour));
  return builder;
}

/** What is counted in a period, by its seconds. */
function aSecond({ id, label }: Metric): Sum {
  return { id: `${id}rate`, expression: `${id} / PERIOD(${id})`, label };
}

function glance(): Row {
  return {
    question: 'How is it?',
    panels: [
      number({ title: 'Waiting', description: 'Visible messages, by SQS’s approximate count.', unit: 'locale', width: 4, metrics: [VISIBLE] }),
      number({
        title: 'In flight', unit: 'locale', width: 4,
        description: 'Messages that some consumer holds, by SQS’s approximate count.',
        metrics: [IN_FLIGHT],
      }),
      number({
        title: 'Oldest message', unit: 's', width: 4,
        description: 'The age of the oldest message. SQS leaves out messages that were received three times or more.',
        metrics: [OLDEST],
      }),
      number({ title: 'Dead letters', description: 'Visible messages in the DLQ.', unit: 'locale', width: 4, limits: { look: 1 }, metrics: [inDlq] }),
      number({
        title: 'Time to catch up', unit: 's', width: 4, none: 'not known', limits: { look: BACKLOG_SECONDS / 2, act: BACKLOG_SECONDS },
        description: 'How long the running tasks need for what is in the queue, by the time a message took last.',
        metrics: TO_CATCH_UP, sums: [CATCH_UP],
      }),
      number({
        title: 'Tasks', unit: 'locale', width: 4, none: 'not known',
        description: 'Running tasks of the service; needs Container Insights.',
        metrics: [TASKS],
      }),
    ],
  };
}

function waiting(): Row {
  const delayed = ofQueue('delayed', 'ApproximateNumberOfMessagesDelayed', 'Maximum', 'delayed');
  return {
    question: 'What waits?',
    panels: [
      lines({
        title: 'Messages, by where they are', unit: 'locale', width: 8, stacked: 'stacked', colours: STATES,
        description: 'By SQS’s approximate counts. Visible and delayed ones wait, those in flight are held by a consumer.',
        metrics: [VISIBLE, IN_FLIGHT, delayed],
      }),
      lines({
        title: 'Oldest message', unit: 's', width: 8, colours: { oldest: PLAIN },
        description: 'The age of the oldest message. SQS leaves out messages that were received three times or more.',
        metrics: [OLDEST],
      }),
      lines({
        title: 'Dead letters', unit: 'locale', width: 8, colours: { 'in the DLQ': 'purple' },
        description: 'Visible messages in the DLQ.',
        metrics: [inDlq],
      }),
    ],
  };
}

function speed(): Row {
  const counts = [
    ofQueue('sent', 'NumberOfMessagesSent', 'Sum', 'sent'),
    ofQueue('received', 'NumberOfMessagesReceived', 'Sum', 'received'),
    ofQueue('deleted', 'NumberOfMessagesDeleted', 'Sum', 'deleted'),
  ];
  const empty = ofQueue('empty', 'NumberOfEmptyReceives', 'Sum', 'empty');
  const ended = ofWorkers('ended', 'MessagesEnded', 'Sum', 'ended');
  return {
    question: 'Is it keeping up?',
    panels: [
      lines({
        title: 'Sent, received, deleted', unit: 'mps', width: 12, colours: { sent: LOOK, received: 'light-blue', deleted: GOOD },
        description: 'Messages that a second brings; received above deleted are retries, sent above deleted is a growing backlog.',
        metrics: counts, sums: counts.map(aSecond),
      }),
      lines({
        title: 'Time to catch up', unit: 's', width: 12, limits: { act: BACKLOG_SECONDS }, colours: { 'to catch up': PLAIN },
        description: 'How long the running tasks need for what is in the queue, by the time a message took last.',
        metrics: TO_CATCH_UP, sums: [CATCH_UP],
      }),
      lines({
        title: 'Messages ended', unit: 'mps', width: 8, colours: { ended: GOOD },
        description: 'Messages whose handler ended, however it did, as the workers count them.',
        metrics: [ended], sums: [aSecond(ended)],
      }),
      lines({
        title: 'Slot time of a message', unit: 's', width: 8, links: tracesOnAws('queue'), colours: { 'seconds of a slot': PLAIN },
        description: 'How long a message keeps a slot busy, the average of the tasks.',
        metrics: [EACH],
      }),
      lines({
        title: 'Empty receives', unit: 'reqps', width: 8, colours: { empty: PLAIN },
        description: 'Receives that brought nothing; each costs as much as a full one. Three a minute and task are the least of an idle queue.',
        metrics: [empty], sums: [aSecond(empty)],
      }),
    ],
  };
}

function tasks(): Row {
  const calls = ofWorkers('calls', 'CallsRunning', 'Average', 'calls');
  const held = ofWorkers('held', 'MessagesHeld', 'Average', 'held');
  // A sum would add up every line of the period, however many a task prints in it.
  const ofAll = ({ id, label }: Metric): Sum => ({ id: `${id}now`, expression: `${id} * tasks`, label });
  const room: Sum = { id: 'room', expression: 'tasks * slots', label: 'slots' };
  return {
    question: 'Do the tasks suffice?',
    panels: [
      lines({
        title: 'Tasks', unit: 'short', width: 6, colours: { running: PLAIN, desired: 'dark-blue' },
        description: 'Tasks of the service that run, and that it should have; needs Container Insights.',
        metrics: [TASKS, ofTasks('desired', 'DesiredTaskCount', 'desired')],
      }),
      lines({
        title: 'Slots', unit: 'short', width: 6, colours: { calls: GOOD, held: PLAIN, slots: 'dark-blue' },
        description: 'Calls of the handler that run, messages held, and slots: the average of a task times the tasks.',
        metrics: [calls, held, TASKS, SLOTS], sums: [ofAll(calls), ofAll(held), room],
      }),
      lines({
        title: 'CPU', unit: 'percent', width: 6, colours: { average: 'light-blue', most: 'dark-blue' },
        description: 'Of what the tasks have, the handler’s own containers counted.',
        metrics: [ofService('average', 'CPUUtilization', 'Average', 'average'), ofService('most', 'CPUUtilization', 'Maximum', 'most')],
      }),
      lines({
        title: 'Memory', unit: 'percent', width: 6, limits: { act: 90 }, colours: { average: 'light-blue', most: 'dark-blue' },
        description: 'Of what the tasks have; at 100 % ECS kills them.',
        metrics: [ofService('average', 'MemoryUtilization', 'Average', 'average'), ofService('most', 'MemoryUtilization', 'Maximum', 'most')],
      }),
    ],
  };
}

function apis(): Row {
  const rest = [ofRest('all', 'Count', 'Sum', 'requests'), ofRest('client', '4XXError', 'Sum', '4xx'), ofRest('server', '5XXError', 'Sum', '5xx')];
  const http = [ofHttp('all', 'Count', 'Sum', 'requests'), ofHttp('client', '4xx', 'Sum', '4xx'), ofHttp('server', '5xx', 'Sum', '5xx')];
  return { question: 'Do the APIs take messages?', collapsed: 'collapsed', panels: [...api('REST API', rest, ofRest), ...api('HTTP API', http, ofHttp)] };
}

function log(): Row {
  const query = (more = '') => {
    const fields = ['@timestamp', ...Object.keys(FIELDS)].join(', ');
    const builder = new logs.LogsQueryBuilder().datasource(CLOUDWATCH).queryMode(logs.QueryMode.Logs).id('log').region('${region}').refId('A');
    const expression = `fields ${fields} | filter level in ["WARN", "ERROR"]${more} | sort @timestamp desc | limit 200`;
    return builder.logGroupNames(['/longshore/${stack}/worker']).expression(expression);
  };
  const about = 'Warnings and errors of the workers. CloudWatch charges for what it searches, so nothing is asked before the row is opened.';
  const lines = frame('Warnings and errors', about).datasource(CLOUDWATCH).targets([query()]);
  const traced = traceFrame(tracesOnAws('one')).datasource(CLOUDWATCH).targets([query(' and ispresent(trace_id)')]);
  return { question: 'What does the log say?', collapsed: 'collapsed', panels: [lines as Builder<Panel>, traced] };
}

function api(name: string, requests: readonly Metric[], of: typeof ofRest): Row['panels'] {
  return [
    lines({
      title: `${name}, requests`, unit: 'reqps', width: 6, colours: { requests: PLAIN, '4xx': LOOK, '5xx': ACT },
      description: 'Requests, and those refused for the client’s or the API’s fault: a 5xx is a message not taken.',
      metrics: requests, sums: requests.map(aSecond),
    }),
    lines({
      title: `${name}, time of 95 %`, unit: 'ms', width: 6, colours: { whole: PLAIN, 'of it SQS': 'light-blue' },
      description: 'Nineteen of twenty requests took no longer, and how much of it SQS took.',
      metrics: [of('whole', 'Latency', 'p95', 'whole'), of('sqs', 'IntegrationLatency', 'p95', 'of it SQS')],
    }),
  ];
}
