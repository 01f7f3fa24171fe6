// What the worker's own source and docs say, for tests that hold the deployment to them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

/** The text of a file of the project. */
export function file(path: string): string {
  return readFileSync(join(PROJECT, path), 'utf8');
}

/** Every file of Rust under a folder; the tests within a file are left out unless asked for. */
export function source(folder: string, tests: 'with tests' | 'without tests' = 'without tests'): { path: string; text: string }[] {
  const cut = (text: string) => (tests === 'with tests' ? text : (text.split('#[cfg(test)]')[0] ?? ''));
  return readdirSync(join(PROJECT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.rs'))
    .map((name) => ({ path: join(folder, name), text: cut(file(join(folder, name))) }));
}
