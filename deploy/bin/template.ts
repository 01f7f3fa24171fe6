// Writes anew what is made by the app and committed: `template.json` and the README's table of settings.
import { readFileSync, writeFileSync } from 'node:fs';
import { settingsTable } from '../lib/reference.ts';
import { committedTemplate } from '../lib/synth.ts';

const TABLE = /\| setting \|.*\n(?:\|.*\n)+/;

writeFileSync('template.json', committedTemplate());
writeFileSync('README.md', readFileSync('README.md', 'utf8').replace(TABLE, () => `${settingsTable()}\n`));
