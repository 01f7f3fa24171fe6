// What an incident does to SQS: makes a queue, sends to it, and stands between it and a worker, where it can refuse and keep silent.
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';

const ACCOUNT = '000000000000';
const TICK = 500;

/** Calls SQS; the emulator takes any credentials. */
async function call(endpoint: string, action: string, body: unknown): Promise<any> {
  const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${action}` };
  const response = await fetch(endpoint, { method: 'POST', headers, body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${action}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Makes a queue, with a DLQ after so many receives if they are given. */
export async function makeQueue(endpoint: string, name: string, receives?: number): Promise<void> {
  const redrive = { deadLetterTargetArn: `arn:aws:sqs:us-east-1:${ACCOUNT}:${name}-dlq`, maxReceiveCount: receives };
  if (receives !== undefined) await call(endpoint, 'CreateQueue', { QueueName: `${name}-dlq` });
  await call(endpoint, 'CreateQueue', { QueueName: name, Attributes: receives === undefined ? {} : { RedrivePolicy: JSON.stringify(redrive) } });
}

/** Messages that are sent, so many a second, until it is told otherwise. */
export class Sender {
  /** Messages a second. */
  rate: number;
  #number = 0;
  #owed = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(endpoint: string, queue: string, rate: number) {
    this.rate = rate;
    this.#timer = setInterval(() => {
      this.#owed = Math.min(this.#owed + (this.rate * TICK) / 1000, 5000);
      while (this.#owed >= 1) {
        const entries = Array.from({ length: Math.min(10, Math.floor(this.#owed)) }, () => ({ Id: `m${++this.#number}`, MessageBody: String(this.#number) }));
        this.#owed -= entries.length;
        // What cannot be sent is missing from a number that nobody counts.
        void call(endpoint, 'SendMessageBatch', { QueueUrl: `${endpoint}/${ACCOUNT}/${queue}`, Entries: entries }).catch(() => undefined);
      }
    }, TICK);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}

/** A way to SQS on which calls can be refused or left without an answer. */
export class Way {
  /** Actions that are refused, and those that are never answered. */
  refused: readonly string[] = [];
  silent: readonly string[] = [];
  readonly #server: Server;
  readonly #endpoint: URL;

  private constructor(endpoint: string) {
    this.#endpoint = new URL(endpoint);
    this.#server = createServer((from, to) => this.#pass(from, to));
  }

  static async to(endpoint: string): Promise<Way> {
    const way = new Way(endpoint);
    await new Promise<void>((done) => way.#server.listen(0, '127.0.0.1', done));
    return way;
  }

  /** Where it begins. */
  get endpoint(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  /** A queue's URL by this way. */
  urlOf(queue: string): string {
    return `${this.endpoint}/${ACCOUNT}/${queue}`;
  }

  end(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #pass(from: IncomingMessage, to: ServerResponse): void {
    const action = String(from.headers['x-amz-target']).replace('AmazonSQS.', '');
    if (this.silent.includes(action)) return;
    if (this.refused.includes(action)) {
      from.resume();
      const body = JSON.stringify({ __type: 'com.amazonaws.sqs#AccessDeniedException', message: 'this role may not do that' });
      to.writeHead(403, { 'content-type': 'application/x-amz-json-1.0' }).end(body);
      return;
    }
    const onward = request({ host: this.#endpoint.hostname, port: this.#endpoint.port, method: from.method, path: from.url, headers: from.headers }, (answer) => {
      to.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(to);
    });
    onward.on('error', () => to.destroy());
    to.on('close', () => onward.destroy());
    from.pipe(onward);
  }
}
