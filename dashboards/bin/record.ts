// Runs the workers under traffic for a while and writes down what every query of the dashboards answers.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../live/answers.ts';
import { ALL, type Choice } from '../live/grafana.ts';
import { HOSTILE_IN_SETTINGS } from '../live/settings.ts';
import { type Line, World } from '../live/world.ts';
import { HERE, OF_PROMETHEUS } from '../test/panels_of.ts';

/** So many lines of the log are kept, more than a panel shows. */
const LINES = 40;
// Rates over 20 s are calmer than those over four scrapes of a second.
const RESOLUTION = { scrape: 5, points: 100 };
const [program = '', folder = '', seconds = '240'] = process.argv.slice(2);
const sleep = (part: number) => new Promise((done) => setTimeout(done, Number(seconds) * part * 1000));

const world = await World.start(program, join(HERE, 'alerts.yaml'), {});
await sleep(0.02);
const start = Math.floor(Date.now() / 1000);
// A little of everything happens, so that every panel has something to show.
await sleep(0.2);
await world.refuse(['DeleteMessageBatch'], Number(seconds) / 20);
await sleep(0.1);
await world.refuse(['DeleteMessageBatch', 'ChangeMessageVisibilityBatch'], Number(seconds) / 20);
await sleep(0.1);
await world.interruptHandler(Number(seconds) / 12);
await sleep(0.1);
await world.pause(HOSTILE_IN_SETTINGS, Number(seconds) / 12);
await sleep(0.2);
const span = { start, end: Math.floor(Date.now() / 1000) };
const lines = world.lines();
mkdirSync(folder, { recursive: true });
for (const dashboard of OF_PROMETHEUS) {
  const queue = dashboard.file === 'queue.json' ? HOSTILE_IN_SETTINGS : ALL;
  const variables: Readonly<Record<string, Choice>> = { cluster: ALL, namespace: ALL, job: ALL, instance: ALL, kind: ALL, queue, price: '0.40' };
  const answers = await ask(world.prometheus, dashboard, { span, variables, resolution: RESOLUTION });
  writeFileSync(join(folder, dashboard.file), JSON.stringify({ span, answers, lines: linesOf(queue) }));
}
await world.end();

/** The newest lines, of one queue or of all. */
function linesOf(queue: Choice): readonly Line[] {
  return lines.filter((line) => queue === ALL || line['queue'] === queue).slice(0, LINES);
}
