// Everything that the check needs: two workers over one embedded SQS, their handlers, traffic, and Prometheus.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Handler } from './handler.ts';
import { Way } from './incidents/queue.ts';
import { eventually, Program } from './program.ts';
import { freePort, Prometheus } from './prometheus.ts';
import { settings, SOURCES } from './settings.ts';
import { Traffic } from './traffic.ts';

const FUNCTION = join(import.meta.dirname, 'function.js');

/** A line of a worker's log. */
export type Line = Readonly<Record<string, unknown>>;

/** What both workers share: the ports of the handler and of what takes spans. */
interface Ground {
  readonly program: string;
  readonly folder: string;
  readonly handler: number;
  readonly traces: number;
}

interface Parts {
  readonly folder: string;
  readonly prometheus: Prometheus;
  readonly handler: Handler;
  readonly workers: readonly Program[];
  readonly traffic: Traffic;
  /** The second worker's way to SQS. */
  readonly way: Way;
  /** Takes the workers' spans. */
  readonly collector: Server;
  /** Where the workers' admin servers listen. */
  readonly admins: readonly string[];
}

export class World {
  readonly prometheus: Prometheus;
  readonly traffic: Traffic;
  readonly admins: readonly string[];
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    ({ prometheus: this.prometheus, traffic: this.traffic, admins: this.admins } = parts);
    this.#parts = parts;
  }

  /** Starts everything, with this program and these rules; Prometheus tells these queues by other names. */
  static async start(program: string, rules: string, renamed: Readonly<Record<string, string>>): Promise<World> {
    const folder = mkdtempSync(join(tmpdir(), 'longshore-live-'));
    const handler = await Handler.start();
    const collector = createServer((request, response) => void request.resume().on('end', () => response.end()));
    const traces = await freePort();
    await new Promise<void>((done) => collector.listen(traces, '127.0.0.1', done));
    const workers: Program[] = [];
    let way: Way | undefined;
    try {
      const ground = { program, folder, handler: handler.port, traces };
      const endpoint = await startFirst(ground, workers);
      way = await Way.to(endpoint);
      startSecond(ground, way, workers);
      const admins = await Promise.all(workers.map(async (worker) => (await worker.says(ADMIN))[1] ?? ''));
      const prometheus = await Prometheus.start(folder, rules, { workers: admins, renamed });
      return new World({ folder, prometheus, handler, workers, way, collector, traffic: new Traffic(endpoint, SOURCES), admins });
    } catch (error) {
      // Half a world would keep the check from ending.
      await Promise.all([...workers.map((worker) => worker.end('SIGKILL')), handler.goDown()]);
      way?.end();
      collector.closeAllConnections();
      collector.close();
      throw error;
    }
  }

  /** How many messages the first worker has ended, as it tells itself. */
  async ended(): Promise<number> {
    const text = await (await fetch(`http://${this.admins[0]}/metrics`)).text();
    return [...text.matchAll(/^longshore_messages_ended_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** The handler is away until Prometheus has seen that polling is paused, and so long; waits until it has seen that it goes on. */
  async interruptHandler(seconds = 0): Promise<void> {
    const { handler } = this.#parts;
    await handler.goDown();
    await eventually('polling is paused', async () => (await this.prometheus.instant('longshore_polling_paused == 1', Date.now() / 1000)).length > 0);
    await new Promise((done) => setTimeout(done, seconds * 1000));
    await handler.comeBack();
    await eventually('polling goes on', async () => (await this.prometheus.instant('longshore_polling_paused == 1', Date.now() / 1000)).length === 0);
  }

  /** The warnings and errors of the workers' logs, the newest first; the last line may be half a one. */
  lines(): Line[] {
    const all = this.#parts.workers.flatMap(({ said }) => said.split('\n').slice(0, -1).filter((line) => line.startsWith('{')));
    const loud = all.map((line): Line => JSON.parse(line)).filter(({ level }) => level === 'WARN' || level === 'ERROR');
    return loud.sort((one, other) => String(other['timestamp']).localeCompare(String(one['timestamp'])));
  }

  /** SQS refuses these actions of the second worker for so many seconds. */
  async refuse(actions: readonly string[], seconds: number): Promise<void> {
    const { way } = this.#parts;
    way.refused = actions;
    await new Promise((done) => setTimeout(done, seconds * 1000));
    way.refused = [];
  }

  /** An operator pauses a queue of the second worker for so many seconds. */
  async pause(queue: string, seconds: number): Promise<void> {
    const url = `http://${this.admins[1]}/queues/${encodeURIComponent(queue)}`;
    await post(`${url}/pause`);
    await new Promise((done) => setTimeout(done, seconds * 1000));
    await post(`${url}/resume`);
  }

  /** Ends everything; answers how the workers ended. */
  async end(): Promise<(number | null)[]> {
    const { folder, prometheus, handler, workers, way, collector, traffic } = this.#parts;
    traffic.end();
    const codes: (number | null)[] = [];
    // The second works on the first one's queues.
    for (const worker of workers.toReversed()) codes.push(await worker.end());
    way.end();
    collector.closeAllConnections();
    collector.close();
    await prometheus.kill();
    await handler.goDown();
    rmSync(folder, { recursive: true });
    return codes;
  }
}

async function post(url: string): Promise<void> {
  const response = await fetch(url, { method: 'POST' });
  if (!response.ok) throw new Error(`${url}: ${await response.text()}`);
}

/** The first worker, with its queues; answers where these are. */
async function startFirst({ program, folder, handler, traces }: Ground, workers: Program[]): Promise<string> {
  const url = `http://127.0.0.1:${handler}/`;
  const listen = ['--sqs-listen', '127.0.0.1:0', '--api-listen', '127.0.0.1:0'];
  const first = new Program(program, ['dev', ...flags(folder, 'dev', settings(url, FUNCTION)), ...listen], folder, environment(traces));
  workers.push(first);
  const [, endpoint = ''] = await first.says(/queue +(http:\/\/[\d.:]+)/);
  return endpoint;
}

/** A second one on the same queues. */
function startSecond({ program, folder, handler, traces }: Ground, way: Way, workers: Program[]): void {
  const text = settings(`http://127.0.0.1:${handler}/`, FUNCTION, way.endpoint);
  workers.push(new Program(program, ['run', ...flags(folder, 'run', text)], folder, environment(traces)));
}

const ADMIN = /"address":"(127\.0\.0\.1:\d+)"/;

/** No account of the machine's has a say. */
function environment(traces: number): NodeJS.ProcessEnv {
  const account = { AWS_ACCESS_KEY_ID: 'none', AWS_SECRET_ACCESS_KEY: 'none', AWS_REGION: 'us-east-1' };
  return { PATH: process.env['PATH'], ...account, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://127.0.0.1:${traces}/v1/traces` };
}

function flags(folder: string, name: string, text: string): string[] {
  const file = join(folder, `${name}.toml`);
  writeFileSync(file, text);
  return ['--config', file, '--log-format', 'json'];
}
