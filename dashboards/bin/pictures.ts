// Draws the dashboards from what was recorded, for docs/dashboards.md.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { draw } from '../picture/dashboard.ts';
import { ALL } from '../test/panels_of.ts';

const [recorded = '', pictures = ''] = process.argv.slice(2);
mkdirSync(pictures, { recursive: true });
for (const dashboard of ALL) {
  const file = join(recorded, dashboard.file);
  const answers = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  writeFileSync(join(pictures, dashboard.file.replace('.json', '.svg')), draw(dashboard, answers));
}
