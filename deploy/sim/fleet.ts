// An ECS service of workers: tasks start, run calls, are protected while long ones run, drain and stop.
import { LINE_SECONDS } from '../lib/metrics.ts';
import type { Message, Queue } from './queue.ts';
import { WorkAverage } from './signal.ts';
import type { Trace } from './trace.ts';

const START_SECONDS = 60;
const DRAIN_SECONDS = 110;
const PROTECT_AFTER = 10;
/** A look is so long before the next line: either, on average. */
const LOOK_BEFORE = 5;

interface Call {
  readonly message: Message;
  readonly began: number;
  readonly ends: number;
}

/** What a task prints, or sees when it looks at its queue. */
export interface Line {
  readonly secondsPerMessage: number | undefined;
  /** The queue's counts, as they were when the task looked. */
  readonly waiting: number;
  readonly inFlight: number;
}

interface Task {
  readonly startedAt: number;
  readonly runsFrom: number;
  readonly work: WorkAverage;
  seen: Pick<Line, 'waiting' | 'inFlight'>;
  calls: Call[];
  drainsUntil?: number;
}

/** The tasks of a service. */
export class Fleet {
  private tasks: Task[] = [];
  /** Seconds of tasks that were paid for. */
  paidSeconds = 0;

  constructor(
    private readonly trace: Trace,
    private readonly queue: Queue,
    initial: number,
  ) {
    for (let index = 0; index < initial; index++) this.tasks.push(task(-LINE_SECONDS - 7 * index, 0));
  }

  /** Tasks that run, those that drain left out. */
  get running(): number {
    return this.active.filter(({ runsFrom }) => runsFrom <= this.now).length;
  }

  get busyShare(): number {
    const running = this.tasks.filter(({ runsFrom }) => runsFrom <= this.now);
    const calls = running.reduce((sum, { calls }) => sum + calls.length, 0);
    return running.length === 0 ? 0 : calls / (running.length * this.trace.concurrency);
  }

  private now = 0;

  private get active(): Task[] {
    return this.tasks.filter(({ drainsUntil }) => drainsUntil === undefined);
  }

  /** One second: ends calls, starts and stops tasks, receives. */
  pass(now: number, desired: number): void {
    this.now = now;
    for (const each of this.tasks) this.endCalls(each);
    this.adjust(desired);
    this.stopDrained();
    this.receive();
    this.paidSeconds += this.tasks.length;
  }

  /** What the tasks print in this second. */
  lines(): Line[] {
    for (const each of this.due(LOOK_BEFORE)) each.seen = this.counts;
    return this.due(0).map(({ work, calls, seen }) => ({ secondsPerMessage: work.line(this.ages(calls), this.now), ...seen }));
  }

  /** What the tasks see that look at their queue in this second; one that drains looks no more. */
  looks(): Line[] {
    const looking = this.due(LOOK_BEFORE).filter(({ drainsUntil }) => drainsUntil === undefined);
    return looking.map(({ work, calls }) => ({ secondsPerMessage: work.now(this.ages(calls), this.now), ...this.counts }));
  }

  private get counts(): Pick<Line, 'waiting' | 'inFlight'> {
    const { waiting, inFlight } = this.queue;
    return { waiting, inFlight };
  }

  /** The tasks whose line is due in so many seconds. */
  private due(before: number): Task[] {
    return this.tasks.filter(({ runsFrom, startedAt }) => runsFrom < this.now && (this.now + before - startedAt) % LINE_SECONDS === 0);
  }

  private ages(calls: readonly Call[]): number[] {
    return calls.map(({ began }) => this.now - began);
  }

  private endCalls(each: Task): void {
    const { now } = this;
    const ended = each.calls.filter(({ ends }) => ends <= now);
    if (ended.length === 0) return;
    each.calls = each.calls.filter(({ ends }) => ends > now);
    for (const { message, began } of ended) {
      each.work.ended(now - began, now);
      if (message.arrival.isPoison) this.queue.fail(message, now);
      else this.queue.delete(message, now);
    }
  }

  private adjust(desired: number): void {
    const { active } = this;
    for (let missing = desired - active.length; missing > 0; missing--) this.tasks.push(task(this.now, this.now + START_SECONDS));
    // ECS stops tasks that have not started first; of the others it may take any that is not protected.
    const starting = active.filter(({ runsFrom }) => runsFrom > this.now);
    const started = active.filter((each) => each.runsFrom <= this.now && !this.isProtected(each));
    for (const each of [...starting, ...started].slice(0, Math.max(active.length - desired, 0))) each.drainsUntil = this.now + DRAIN_SECONDS;
  }

  private isProtected({ calls }: Task): boolean {
    return this.trace.isLong && calls.some(({ began }) => this.now - began >= PROTECT_AFTER);
  }

  private stopDrained(): void {
    const isOver = ({ drainsUntil, calls }: Task) => drainsUntil !== undefined && (calls.length === 0 || drainsUntil <= this.now);
    for (const { calls } of this.tasks.filter(isOver)) for (const { message } of calls) this.queue.giveBack(message, this.now);
    this.tasks = this.tasks.filter((each) => !isOver(each));
  }

  /** SQS spreads messages over those that poll: one to each in turn. */
  private receive(): void {
    let polling = this.active.filter(({ runsFrom }) => runsFrom <= this.now);
    while (polling.length > 0 && this.queue.waiting > 0) {
      polling = polling.filter(({ calls }) => calls.length < this.trace.concurrency);
      for (const each of polling) {
        const message = this.queue.receive();
        if (message === undefined) return;
        message.startedAt ??= this.now;
        each.calls.push({ message, began: this.now, ends: this.now + message.arrival.seconds });
      }
    }
  }
}

function task(startedAt: number, runsFrom: number): Task {
  return { startedAt, runsFrom, work: new WorkAverage(runsFrom), seen: { waiting: 0, inFlight: 0 }, calls: [] };
}
