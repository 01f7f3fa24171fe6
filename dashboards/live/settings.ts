// What the workers of the check are told: a queue for each kind of handler, and all that can happen to a message.
import type { Source } from './traffic.ts';

/** A name of a queue that the worker's settings would refuse; Prometheus is made to tell it for `orders.eu`. */
export const HOSTILE = 'we"ird {job=~".+"} \\d \'é (a|b).* $queue <b>\nsecond line';
export const HOSTILE_IN_SETTINGS = 'orders.eu';
/** A name with a full stop, which taken as a regular expression means `orders-eu`, too; Prometheus is made to tell it for `news`. */
export const DOTTED = 'orders.eu';
const NEIGHBOUR = 'orders-eu';
/** What Prometheus tells the queues' names for, in this order. */
export const RENAMED: Readonly<Record<string, string>> = { [HOSTILE_IN_SETTINGS]: HOSTILE, news: DOTTED };

/** The settings of one worker; where the queues are in SQS is left to `dev` unless an endpoint is given. */
export function settings(handler: string, functionFile: string, endpoint?: string): string {
  const queue = (name: string, inSqs: string, lines: readonly string[]) => [`[queues."${name}"]`, where(inSqs, endpoint), ...lines].join('\n');
  const http = [`kind = "http"`, `url = "${handler}"`, 'reject = [422]'];
  const exec = `command = ["sh", "-c", 'read -r code seconds; [ $LONGSHORE_RECEIVE_COUNT = 1 ] || exit 0; sleep $seconds; exit $code']`;
  const lambda = ['kind = "lambda"', `command = ["${process.execPath}", "${functionFile}"]`, 'processes = 2'];
  return [
    '[admin]\nlisten = "127.0.0.1:0"\ncontrol = "loopback"',
    queue(HOSTILE_IN_SETTINGS, 'orders', [...COMMON, section(HOSTILE_IN_SETTINGS, 'handler', http), section(HOSTILE_IN_SETTINGS, 'notify', TOPICS)]),
    queue(NEIGHBOUR, 'orders-eu', [...COMMON, section(NEIGHBOUR, 'handler', http)]),
    queue('ledger', 'ledger.fifo', [...COMMON, section('ledger', 'handler', http)]),
    queue('images', 'images', [...COMMON, 'timeout = "1s"', section('images', 'handler', ['kind = "exec"', exec, 'grace = "200ms"'])]),
    queue('reports', 'reports', [...COMMON, section('reports', 'handler', lambda)]),
    queue('news', 'news', [...COMMON, section('news', 'handler', ['kind = "sns"', 'topic_arn = "arn:aws:sns:us-east-1:000000000000:news"'])]),
  ].join('\n\n');
}

const COMMON = ['concurrency = 4', 'visibility = "5s"', 'retry = { initial = "1s", max = "3s" }', 'depth = { interval = "5s" }'];
const TOPICS = ['on_done', 'on_failure', 'on_reject'].map((occasion) => `${occasion} = "arn:aws:sns:us-east-1:000000000000:told"`);

function where(inSqs: string, endpoint: string | undefined): string {
  return endpoint === undefined ? `name = "${inSqs}"` : `url = "${endpoint}/000000000000/${inSqs}"`;
}

function section(queue: string, name: string, lines: readonly string[]): string {
  return [`[queues."${queue}".${name}]`, ...lines].join('\n');
}

/** What is sent to these queues, in messages a second: most of it goes well, some of everything else happens, too. */
export const SOURCES: readonly Source[] = [
  { queue: 'orders', each: 14, body: order, group: (number) => `tenant-${number % 5}` },
  { queue: 'orders-eu', each: 4, body: () => '200 20' },
  { queue: 'ledger.fifo', each: 6, body: (number) => `${pick(number, { 37: '500' }, '200')} 30 then 200`, group: (number) => `account-${number % 7}` },
  { queue: 'images', each: 4, body: (number) => `${pick(number, { 17: 75, 29: 65, 41: 3 }, 0)} ${pick(number, { 47: 3 }, 0)}` },
  { queue: 'reports', each: 5, body: (number) => `${pick(number, { 19: 'fail', 73: 'crash' }, 'done')} ${slow(number, 90)}` },
  { queue: 'news', each: 2, body: (number) => `edition ${number}` },
];

function order(number: number): string {
  if (number % 61 === 0) return '422 10';
  if (number % 131 === 0) return '500 20';
  return `${number % 23 === 0 ? 503 : 200} ${slow(number, 40)} then 200`;
}

/** Every so-manieth message is of another sort. */
function pick<T>(number: number, rare: Readonly<Record<number, T>>, common: T): T {
  const found = Object.entries(rare).find(([every]) => number % Number(every) === 0);
  return found === undefined ? common : found[1];
}

/** Times that are spread, and now and then one that is long enough to have its lease extended. */
function slow(number: number, usual: number): number {
  return number % 53 === 0 ? 3200 : Math.round(usual * (0.5 + ((number * 7919) % 100) / 50));
}
