// Writes anew what is made by the app and committed: `template.json`, the README's table of settings, the roles of docs/security.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { settingsTable } from '../lib/reference.ts';
import { rolesReference } from '../lib/roles_reference.ts';
import { committedTemplate } from '../lib/synth.ts';

const TABLE = /\| setting \|.*\n(?:\|.*\n)+/;
const ROLES = /(?<=<!-- roles -->\n)[\s\S]*?(?=<!-- end of roles -->)/;

const template = committedTemplate();
writeFileSync('template.json', template);
replaceIn('README.md', TABLE, `${settingsTable()}\n`);
replaceIn('../docs/security.md', ROLES, `\n${rolesReference(JSON.parse(template))}\n\n`);

function replaceIn(path: string, place: RegExp, text: string): void {
  writeFileSync(path, readFileSync(path, 'utf8').replace(place, () => text));
}
