// A queue: messages that wait, that are hidden, and that have moved to the DLQ.
import type { Arrival } from './trace.ts';

/** A message in the queue. */
export interface Message {
  readonly arrival: Arrival;
  receives: number;
  /** The second of its first call. */
  startedAt?: number;
  /** The second in which it left the queue. */
  endedAt?: number;
}

const MAX_RECEIVES = 5;
/** Seconds before a failed message is tried again, doubled each time. */
const FIRST_RETRY = 5;

/** SQS's queue; hidden messages are in flight, whether a handler runs or a retry waits. */
export class Queue {
  private visible: Message[] = [];
  private head = 0;
  private readonly returns = new Map<number, Message[]>();
  inFlight = 0;
  deadLetters = 0;

  get waiting(): number {
    return this.visible.length - this.head;
  }

  /** Seconds since the oldest message that waits was sent. */
  age(now: number): number {
    const oldest = this.visible[this.head];
    return oldest === undefined ? 0 : now - oldest.arrival.at;
  }

  send(message: Message): void {
    this.visible.push(message);
  }

  receive(): Message | undefined {
    const message = this.visible[this.head];
    if (message === undefined) return undefined;
    this.head++;
    if (this.head > 10_000) [this.visible, this.head] = [this.visible.slice(this.head), 0];
    this.inFlight++;
    message.receives++;
    return message;
  }

  delete(message: Message, now: number): void {
    this.inFlight--;
    message.endedAt = now;
  }

  /** Hides a failed message until its retry, or moves it to the DLQ. */
  fail(message: Message, now: number): void {
    if (message.receives >= MAX_RECEIVES) {
      this.deadLetters++;
      this.delete(message, now);
      return;
    }
    this.hide(message, now + FIRST_RETRY * 2 ** (message.receives - 1));
  }

  /** Makes what a stopped task held visible at once. */
  giveBack(message: Message, now: number): void {
    this.hide(message, now + 1);
  }

  /** Makes visible what was hidden until now. */
  pass(now: number): void {
    for (const message of this.returns.get(now) ?? []) {
      this.inFlight--;
      this.visible.push(message);
    }
    this.returns.delete(now);
  }

  private hide(message: Message, until: number): void {
    this.returns.set(until, [...(this.returns.get(until) ?? []), message]);
  }
}
