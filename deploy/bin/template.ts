// Writes anew what is made by the app and committed: `stacks/*.json`, the tables of docs/deploy-settings.md, the roles of docs/security.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { detailsTable } from '../app/details.ts';
import { settingsTable } from '../app/reference.ts';
import { rolesReference } from '../app/roles_reference.ts';
import { committedTemplates } from '../app/synth.ts';

const TABLE = /\| setting \|.*\n(?:\|.*\n)+/;
const DETAILS = /\| field \|.*\n(?:\|.*\n)+/;
const ROLES = /(?<=<!-- roles -->\n)[\s\S]*?(?=<!-- end of roles -->)/;

const templates = committedTemplates();
for (const [kind, text] of Object.entries(templates)) writeFileSync(`stacks/${kind}.json`, text);
replaceIn('../docs/deploy-settings.md', TABLE, `${settingsTable()}\n`);
replaceIn('../docs/deploy-settings.md', DETAILS, `${detailsTable()}\n`);
replaceIn('../docs/security.md', ROLES, `\n${rolesReference(Object.values(templates).map((text) => JSON.parse(text)))}\n\n`);

function replaceIn(path: string, place: RegExp, text: string): void {
  writeFileSync(path, readFileSync(path, 'utf8').replace(place, () => text));
}
