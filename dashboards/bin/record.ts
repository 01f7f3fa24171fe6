// Runs the workers under traffic for a while and writes down what every query of the dashboards answers.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../live/answers.ts';
import { ALL, type Choice } from '../live/grafana.ts';
import { HOSTILE_IN_SETTINGS } from '../live/settings.ts';
import { World } from '../live/world.ts';
import { HERE, OF_PROMETHEUS } from '../test/panels_of.ts';

// Rates over 20 s are calmer than those over four scrapes of a second.
const RESOLUTION = { scrape: 5, points: 100 };
const [program = '', folder = '', seconds = '240'] = process.argv.slice(2);
const sleep = (part: number) => new Promise((done) => setTimeout(done, Number(seconds) * part * 1000));

const world = await World.start(program, join(HERE, 'alerts.yaml'), {});
await sleep(0.02);
const start = Math.floor(Date.now() / 1000);
await sleep(0.5);
await world.interruptHandler(Number(seconds) / 12);
await sleep(0.4);
const span = { start, end: Math.floor(Date.now() / 1000) };
mkdirSync(folder, { recursive: true });
for (const dashboard of OF_PROMETHEUS) {
  const queue = dashboard.file === 'queue.json' ? HOSTILE_IN_SETTINGS : ALL;
  const variables: Readonly<Record<string, Choice>> = { cluster: ALL, namespace: ALL, job: ALL, instance: ALL, kind: ALL, queue, price: '0.40' };
  const answers = await ask(world.prometheus, dashboard, { span, variables, resolution: RESOLUTION });
  writeFileSync(join(folder, dashboard.file), JSON.stringify({ span, answers }));
}
await world.end();
