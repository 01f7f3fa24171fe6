// Messages of all sorts, sent for as long as the check runs.
import { randomUUID } from 'node:crypto';

/** What sends to a queue: so many messages a second, by their number. */
export interface Source {
  readonly queue: string;
  readonly each: number;
  readonly body: (number: number) => string;
  /** The message group, where the queue is to have groups. */
  readonly group?: (number: number) => string;
}

/** A text that must never be found in a metric. */
export const SECRET = 'boo{}"\\\n\'`';
const TICK = 200;

export class Traffic {
  readonly #timer: NodeJS.Timeout;
  #sent = 0;
  #ticks = 0;
  trouble: unknown;

  constructor(endpoint: string, sources: readonly Source[]) {
    this.#timer = setInterval(() => {
      this.#ticks += 1;
      for (const source of sources) this.#send(endpoint, source).catch((error: unknown) => (this.trouble = error));
    }, TICK);
  }

  /** Sends no more. */
  end(): void {
    clearInterval(this.#timer);
  }

  async #send(endpoint: string, source: Source): Promise<void> {
    // More comes for a while in every minute, so that there is something to see.
    const wave = 1 + 0.6 * Math.sin((this.#ticks * TICK) / 9000);
    const expected = (source.each * wave * TICK) / 1000;
    const count = Math.floor(expected) + (Math.random() < expected % 1 ? 1 : 0);
    const entries = Array.from({ length: Math.min(count, 10) }, () => entry(source, this.#sent++));
    if (entries.length === 0) return;
    const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.SendMessageBatch' };
    const body = JSON.stringify({ QueueUrl: `${endpoint}/000000000000/${source.queue}`, Entries: entries });
    const response = await fetch(endpoint, { method: 'POST', headers, body });
    const answer = (await response.json()) as { Failed?: readonly unknown[] };
    if (!response.ok || (answer.Failed ?? []).length > 0) throw new Error(JSON.stringify(answer));
  }
}

function entry({ queue, body, group }: Source, number: number): unknown {
  return {
    Id: `m${number}`,
    MessageBody: body(number),
    MessageGroupId: group?.(number),
    MessageDeduplicationId: queue.endsWith('.fifo') ? randomUUID() : undefined,
    // Attributes are the sender's doing, so they may hold anything.
    MessageAttributes: { 'queue.__name__': attribute(`${SECRET}${number}`), traceparent: attribute('00-{}"-\\-zz') },
  };
}

const attribute = (value: string): unknown => ({ DataType: 'String', StringValue: value });
