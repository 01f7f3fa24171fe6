// Runs mapping templates on real Apache Velocity, many cases in one JVM.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const JARS = ['velocity', 'commons-lang', 'commons-collections3', 'json-path', 'json-smart', 'accessors-smart', 'asm', 'slf4j-api'];
const BUILD = fileURLToPath(new URL('../../velocity', import.meta.url));
const CLASS_PATH = [BUILD, ...JARS.map((jar) => `/usr/share/java/${jar}.jar`)].join(':');

/** What a template is rendered with. */
export interface Case {
  readonly template: string;
  readonly body?: string;
  readonly header?: Readonly<Record<string, string>>;
  readonly querystring?: Readonly<Record<string, string>>;
  readonly context?: Readonly<Record<string, string>>;
}

/** What came of it: the text, and the status if the template has overridden it. */
export interface Rendered {
  readonly text: string;
  readonly status: number | null;
}

/** Renders them all; throws when Velocity is not there. */
export function render(cases: readonly Case[]): Rendered[] {
  if (!existsSync(`${BUILD}/Render.class`)) {
    throw new Error('the Velocity shim is not built: `make deploy-test` builds it; LONGSHORE_SKIP_VELOCITY=1 leaves these tests out');
  }
  // The shim's reader of JSON drops a bare U+007F.
  const input = cases.map((one) => JSON.stringify(one).replaceAll('\u007f', '\\u007f')).join('\n');
  const run = spawnSync('java', ['-cp', CLASS_PATH, 'Render'], { input: `${input}\n`, encoding: 'utf8', maxBuffer: 1 << 28 });
  const lines = run.stdout.trimEnd().split('\n');
  if (run.status !== 0 || lines.length !== cases.length) throw new Error(`velocity failed: ${run.stderr}`);
  return lines.map((line) => JSON.parse(line) as Rendered);
}

/** Why the tests that need Velocity are left out, or `false`. */
export const SKIP_VELOCITY = process.env['LONGSHORE_SKIP_VELOCITY'] === '1' ? 'LONGSHORE_SKIP_VELOCITY=1' : false;
