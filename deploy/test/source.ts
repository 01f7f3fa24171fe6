// What the worker's own source and docs say, for tests that hold the deployment to them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

/** The text of a file of the project. */
export function file(path: string): string {
  return readFileSync(join(PROJECT, path), 'utf8');
}

/** All source under these folders, tests within the files left out. */
export function source(...folders: string[]): string {
  return folders
    .flatMap((folder) => readdirSync(join(PROJECT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
    .filter((path) => path.endsWith('.rs'))
    .map((path) => file(path).split('#[cfg(test)]')[0])
    .join('\n');
}
