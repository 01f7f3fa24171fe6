// Programs that the check starts, and ends again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A program that runs. */
export class Program {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  /** All that it has said. */
  said = '';

  constructor(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = process.env) {
    this.#child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    // Where it could not be started at all, that is told by whoever waits for its first words.
    this.#ended = once(this.#child, 'exit').catch(() => undefined);
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.on('data', (data: Buffer) => (this.said += data));
    this.#child.on('error', (error) => (this.said += error.message));
    // Whatever becomes of the check, nothing that it started outlives it.
    process.once('exit', () => this.#child.kill('SIGKILL'));
  }

  /** Whether it runs still. */
  get isAlive(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Waits until it has said this. */
  async says(pattern: RegExp): Promise<RegExpMatchArray> {
    return eventually(`${this.#child.spawnfile} says ${pattern}`, () => {
      const found = this.said.match(pattern);
      if (found === null && !this.isAlive) throw new Fatal(`${this.#child.spawnfile} ended: ${this.said.slice(-2000)}`);
      return found;
    });
  }

  /** Sends it a signal and waits for its end. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.isAlive) this.#child.kill(signal);
    await this.#ended;
    return this.#child.exitCode;
  }
}

/** What no waiting mends. */
class Fatal extends Error {}

/** Asks again and again until there is an answer; what went wrong last is told when the time is over. */
export async function eventually<T>(fact: string, ask: () => T | null | undefined | false | Promise<T | null | undefined | false>, seconds = 60): Promise<T> {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    let trouble = '';
    try {
      const answer = await ask();
      if (answer !== null && answer !== undefined && answer !== false) return answer;
    } catch (error) {
      if (error instanceof Fatal) throw error;
      trouble = `: ${error}`;
    }
    if (Date.now() > until) throw new Error(`not within ${seconds} s: ${fact}${trouble}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}
