// Everything that the check needs: two workers over one embedded SQS, their handlers, traffic, and Prometheus.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Handler } from './handler.ts';
import { eventually, Program } from './program.ts';
import { Prometheus } from './prometheus.ts';
import { settings, SOURCES } from './settings.ts';
import { Traffic } from './traffic.ts';

const FUNCTION = join(import.meta.dirname, 'function.js');

interface Parts {
  readonly folder: string;
  readonly prometheus: Prometheus;
  readonly handler: Handler;
  readonly workers: readonly Program[];
  readonly traffic: Traffic;
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
    const workers: Program[] = [];
    try {
      const endpoint = await startWorkers(program, folder, handler.port, workers);
      const admins = await Promise.all(workers.map(async (worker) => (await worker.says(ADMIN))[1] ?? ''));
      const prometheus = await Prometheus.start(folder, rules, { workers: admins, renamed });
      return new World({ folder, prometheus, handler, workers, traffic: new Traffic(endpoint, SOURCES), admins });
    } catch (error) {
      // Half a world would keep the check from ending.
      await Promise.all([...workers.map((worker) => worker.end('SIGKILL')), handler.goDown()]);
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

  /** Ends everything; answers how the workers ended. */
  async end(): Promise<(number | null)[]> {
    const { folder, prometheus, handler, workers, traffic } = this.#parts;
    traffic.end();
    const codes: (number | null)[] = [];
    // The second works on the first one's queues.
    for (const worker of workers.toReversed()) codes.push(await worker.end());
    await prometheus.kill();
    await handler.goDown();
    rmSync(folder, { recursive: true });
    return codes;
  }
}

/** Two workers on the queues of the first one; answers where these are. */
async function startWorkers(program: string, folder: string, port: number, workers: Program[]): Promise<string> {
  const url = `http://127.0.0.1:${port}/`;
  const listen = ['--sqs-listen', '127.0.0.1:0', '--api-listen', '127.0.0.1:0'];
  const first = new Program(program, ['dev', ...flags(folder, 'dev', settings(url, FUNCTION)), ...listen], folder, ENVIRONMENT);
  workers.push(first);
  const [, endpoint = ''] = await first.says(/queue +(http:\/\/[\d.:]+)/);
  workers.push(new Program(program, ['run', ...flags(folder, 'run', settings(url, FUNCTION, endpoint))], folder, ENVIRONMENT));
  return endpoint;
}

const ADMIN = /"address":"(127\.0\.0\.1:\d+)"/;
// No account of the machine's has a say.
const ENVIRONMENT = { PATH: process.env['PATH'], AWS_ACCESS_KEY_ID: 'none', AWS_SECRET_ACCESS_KEY: 'none', AWS_REGION: 'us-east-1' };

function flags(folder: string, name: string, text: string): string[] {
  const file = join(folder, `${name}.toml`);
  writeFileSync(file, text);
  return ['--config', file, '--log-format', 'json'];
}
