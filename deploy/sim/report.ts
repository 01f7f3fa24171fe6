// Writes the tables of docs/scaling-simulation.md anew: `npm run simulate`.
import { readFileSync, writeFileSync } from 'node:fs';
import { byLateness, compared, traces } from './tables.ts';

const PAGE = '../docs/scaling-simulation.md';

function replace(page: string, name: string, text: string): string {
  const place = new RegExp(`(?<=<!-- ${name} -->\n)[\\s\\S]*?(?=<!-- end of ${name} -->)`);
  if (!place.test(page)) throw new Error(`${PAGE} has no place for ${name}`);
  return page.replace(place, () => `\n${text}\n\n`);
}

const tables = { traces: traces(), compared: compared(), lateness: byLateness() };
writeFileSync(PAGE, Object.entries(tables).reduce((page, [name, text]) => replace(page, name, text), readFileSync(PAGE, 'utf8')));
