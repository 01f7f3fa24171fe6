// What the worker's own source and docs say, for tests that hold the deployment to them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

/** The text of a file of the project. */
export function file(path: string): string {
  return readFileSync(join(PROJECT, path), 'utf8');
}

/** Every file of Rust under a folder, tests within it left out. */
export function source(folder: string): { path: string; text: string }[] {
  return readdirSync(join(PROJECT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.rs'))
    .map((name) => ({ path: join(folder, name), text: file(join(folder, name)).split('#[cfg(test)]')[0] ?? '' }));
}
