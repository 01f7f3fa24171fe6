// Where one incident happens: a queue of its own, its workers, their handler, the messages, and its place in Prometheus's list.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, Program } from '../program.ts';
import { freePort } from '../prometheus.ts';
import { makeQueue, Sender, Way } from './queue.ts';
import { Service } from './service.ts';

/** What a stage is set up with. */
export interface Setting {
  /** Messages a second before the incident; 4 unless it says otherwise. */
  readonly rate?: number;
  readonly workers?: number;
  /** Receives before a message goes to the DLQ; there is none unless it says so. */
  readonly receives?: number;
  /** Lines of the queue's settings. */
  readonly lines?: readonly string[];
}

/** What all stages share. */
export interface Ground {
  readonly program: string;
  readonly folder: string;
  readonly endpoint: string;
}

// No account of the machine's has a say.
const ENVIRONMENT = { PATH: process.env['PATH'], AWS_ACCESS_KEY_ID: 'none', AWS_SECRET_ACCESS_KEY: 'none', AWS_REGION: 'us-east-1' };

interface Worker {
  readonly port: number;
  readonly way: Way;
  program: Program;
}

export class Stage {
  readonly sender: Sender;
  readonly service: Service;
  readonly #ground: Ground;
  readonly #name: string;
  readonly #workers: readonly Worker[];

  private constructor(ground: Ground, name: string, service: Service, workers: readonly Worker[], rate: number) {
    [this.#ground, this.#name, this.service, this.#workers] = [ground, name, service, workers];
    this.sender = new Sender(ground.endpoint, name, rate);
  }

  static async open(ground: Ground, name: string, { rate = 4, workers: count = 1, receives, lines = [] }: Setting): Promise<Stage> {
    await makeQueue(ground.endpoint, name, receives);
    const service = await Service.start();
    const workers: Worker[] = [];
    for (let index = 0; index < count; index += 1) {
      const [port, way] = [await freePort(), await Way.to(ground.endpoint)];
      writeFileSync(fileOf(ground, name, port), settings(name, way.urlOf(name), service.url, port, lines));
      workers.push({ port, way, program: start(ground, name, port) });
    }
    const stage = new Stage(ground, name, service, workers, rate);
    stage.list();
    await eventually(`the workers of ${name} are ready`, async () => {
      const answers = await Promise.all(workers.map(({ port }) => fetch(`http://127.0.0.1:${port}/readyz`)));
      return answers.every(({ ok }) => ok);
    });
    return stage;
  }

  /** The ways of all workers to SQS. */
  get ways(): readonly Way[] {
    return this.#workers.map(({ way }) => way);
  }

  /** Kills every worker and starts it anew. */
  async restart(): Promise<void> {
    for (const worker of this.#workers) {
      await worker.program.end('SIGKILL');
      worker.program = start(this.#ground, this.#name, worker.port);
    }
  }

  /** Puts its workers into Prometheus's list, or takes them out of it. */
  list(are: 'there' | 'gone' = 'there'): void {
    const targets = are === 'there' ? this.#workers.map(({ port }) => `127.0.0.1:${port}`) : [];
    writeFileSync(join(this.#ground.folder, `${this.#name}.targets.json`), JSON.stringify([{ targets, labels: { job: this.#name } }]));
  }

  async end(): Promise<void> {
    this.sender.end();
    await Promise.all(this.#workers.map(({ program }) => program.end('SIGKILL')));
    for (const { way } of this.#workers) way.end();
    await this.service.end().catch(() => undefined);
  }
}

const fileOf = ({ folder }: Ground, name: string, port: number): string => join(folder, `${name}-${port}.toml`);

function start(ground: Ground, name: string, port: number): Program {
  return new Program(ground.program, ['run', '--config', fileOf(ground, name, port), '--log-format', 'json', '--log', 'error'], ground.folder, ENVIRONMENT);
}

function settings(name: string, url: string, handler: string, port: number, lines: readonly string[]): string {
  const queue = [`[queues.${name}]`, `url = "${url}"`, 'concurrency = 4', ...lines];
  return ['[admin]', `listen = "127.0.0.1:${port}"`, ...queue, `[queues.${name}.handler]`, 'kind = "http"', `url = "${handler}"`].join('\n');
}
