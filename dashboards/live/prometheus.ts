// A real Prometheus that scrapes the workers, and its API.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Program } from './program.ts';

/** Seconds between two scrapes. */
export const SCRAPE = 1;

/** A series that a query answered: its labels, and its points in time. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

/** What is scraped: each worker by its admin address, and names of queues that are told otherwise. */
export interface Scraped {
  readonly workers: readonly string[];
  readonly renamed: Readonly<Record<string, string>>;
}

/** What Kubernetes tells of a target. */
const LABELS = { cluster: 'live', namespace: 'check' };

interface Rule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
}

export class Prometheus {
  readonly #url: string;
  readonly #program: Program;

  private constructor(url: string, program: Program) {
    [this.#url, this.#program] = [url, program];
  }

  /** Starts one in this folder, on what is in its `tsdb` already, with these rules if there are any. */
  static start(folder: string, rules: string, scraped: Scraped): Promise<Prometheus> {
    return Prometheus.#with(folder, configuration(rules, scraped));
  }

  /** Starts one in this folder that scrapes whatever its `*.targets.json` list, every so many seconds. */
  static ofFiles(folder: string, rules: string, seconds: number): Promise<Prometheus> {
    const listed = { job_name: 'listed', file_sd_configs: [{ files: [join(folder, '*.targets.json')] }] };
    return Prometheus.#with(folder, { global: { scrape_interval: `${seconds}s`, evaluation_interval: `${seconds}s` }, rule_files: [rules], scrape_configs: [listed] });
  }

  static async #with(folder: string, configured: unknown): Promise<Prometheus> {
    const config = join(folder, 'prometheus.json');
    writeFileSync(config, JSON.stringify(configured));
    const port = await freePort();
    const args = [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'tsdb')}`, `--web.listen-address=127.0.0.1:${port}`];
    const program = new Program('prometheus', args, folder);
    await program.says(/Server is ready/);
    return new Prometheus(`http://127.0.0.1:${port}`, program);
  }

  /** The answer to a query, at every step. */
  async range(query: string, start: number, end: number, step: number): Promise<Series[]> {
    const { result } = await this.#get('query_range', { query, start: String(start), end: String(end), step: String(step) });
    return result;
  }

  /** The answer to a query at one time. */
  async instant(query: string, time: number): Promise<Series[]> {
    const { resultType, result } = await this.#get('query', { query, time: String(time) });
    if (resultType !== 'vector') return [{ metric: {}, values: [result] }];
    return result.map(({ metric, value }: { metric: Series['metric']; value: Series['values'][number] }) => ({ metric, values: [value] }));
  }

  /** All values of a label among these series. */
  labelValues(label: string, selector?: string): Promise<string[]> {
    return this.#get(`label/${label}/values`, selector === undefined ? {} : { 'match[]': selector });
  }

  /** All names of labels. */
  labels(): Promise<string[]> {
    return this.#get('labels', {});
  }

  /** Rules that could not be evaluated. */
  async brokenRules(): Promise<string[]> {
    const { groups } = await this.#get('rules', {});
    const rules: Rule[] = groups.flatMap(({ rules }: { rules: Rule[] }) => rules);
    return rules.filter(({ health }) => health !== 'ok').map(({ name, health, lastError = '' }) => `${name} is ${health}: ${lastError}`);
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    await this.#program.end('SIGKILL');
  }

  async #get(path: string, parameters: Record<string, string>): Promise<any> {
    const response = await fetch(`${this.#url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const { data, error } = (await response.json()) as { data: unknown; error?: string };
    if (error !== undefined) throw new Error(`${error} in ${parameters['query'] ?? path}`);
    return data;
  }
}

function configuration(rules: string, { workers, renamed }: Scraped): unknown {
  // JSON is YAML too, and needs no thought about what a name holds.
  const rename = ([from, to]: [string, string]) => ({
    source_labels: ['queue'],
    regex: from.replaceAll('.', '\\.'),
    target_label: 'queue',
    replacement: to.replaceAll('$', '$$$$'),
  });
  return {
    global: { scrape_interval: `${SCRAPE}s`, evaluation_interval: `${SCRAPE}s` },
    rule_files: rules === '' ? [] : [rules],
    scrape_configs: [{ job_name: 'longshore', static_configs: [{ targets: workers, labels: LABELS }], metric_relabel_configs: Object.entries(renamed).map(rename) }],
  };
}

/** A port that nobody has; Prometheus does not tell one that it chose itself. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
