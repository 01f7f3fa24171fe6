// The ten incidents of docs/operations.md: how each begins, and the alert that must see it.
import type { Setting, Stage } from './stage.ts';

export interface Incident {
  readonly name: string;
  /** As docs/operations.md has it. */
  readonly what: string;
  readonly alert: string;
  readonly severity: 'page' | 'ticket';
  /** Whether nobody must be called for it. */
  readonly quiet?: 'quiet';
  readonly setting: Setting;
  readonly begin: (stage: Stage) => void | Promise<void>;
}

const FAST = { status: 200, after: 20 } as const;
const CRASH_EVERY = 45_000;

export const INCIDENTS: readonly Incident[] = [
  {
    name: 'down', what: 'the handler refuses connections', alert: 'LongshoreHandlerDown', severity: 'page', setting: {},
    begin: ({ service }) => service.end(),
  },
  {
    name: 'hangs', what: 'the handler never answers', alert: 'LongshoreHandlerHangs', severity: 'page', setting: {},
    begin: ({ service }) => void (service.answers = () => 'never'),
  },
  {
    name: 'fails', what: 'every message fails, and there is no DLQ', alert: 'LongshoreFailing', severity: 'page', setting: {},
    begin: ({ service }) => void (service.answers = () => ({ status: 500, after: 20 })),
  },
  {
    name: 'slow', what: 'half of all calls time out', alert: 'LongshoreFailing', severity: 'page', setting: { rate: 1, lines: ['timeout = "2s"'] },
    begin: ({ service }) => {
      let call = 0;
      service.answers = () => (++call % 2 === 0 ? 'never' : FAST);
    },
  },
  {
    name: 'refused', what: 'SQS refuses every delete', alert: 'LongshoreDeletesFailing', severity: 'page', setting: {},
    begin: ({ ways }) => ways.forEach((way) => (way.refused = ['DeleteMessageBatch', 'DeleteMessage'])),
  },
  {
    name: 'silent', what: 'SQS answers no receive of any worker', alert: 'LongshoreSilentPoller', severity: 'page', setting: { workers: 2 },
    begin: ({ ways }) => ways.forEach((way) => (way.silent = ['ReceiveMessage'])),
  },
  {
    name: 'loop', what: 'the worker crashes again and again', alert: 'LongshoreCrashLoop', severity: 'page', setting: {},
    begin: (stage) => {
      const crash = () => void stage.restart();
      crash();
      setInterval(crash, CRASH_EVERY).unref();
    },
  },
  {
    name: 'gone', what: 'a fleet is gone from the list of targets', alert: 'LongshoreTargetMissing', severity: 'page', setting: {},
    begin: (stage) => stage.list('gone'),
  },
  {
    name: 'poison', what: 'two messages in a hundred fail, and reach the DLQ', alert: 'LongshoreDlqGrowing', severity: 'ticket', quiet: 'quiet',
    setting: { receives: 3, rate: 8, lines: ['retry = { initial = "20s", max = "40s" }'] },
    begin: ({ service }) => void (service.answers = (number) => (number % 50 === 0 ? { status: 500, after: 20 } : FAST)),
  },
  {
    name: 'flood', what: 'more comes than the workers can do', alert: 'LongshoreBacklogAboveObjective', severity: 'page', setting: {},
    begin: ({ service, sender }) => {
      service.answers = () => ({ status: 200, after: 500 });
      sender.rate = 40;
    },
  },
];
