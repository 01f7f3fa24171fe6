// Plays the incidents of docs/operations.md on real workers, all at once, and prints when each of their alerts was seen.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Incident, INCIDENTS } from '../live/incidents/incidents.ts';
import { Stage } from '../live/incidents/stage.ts';
import { Program } from '../live/program.ts';
import { freePort, Prometheus } from '../live/prometheus.ts';
import { HERE } from '../test/panels_of.ts';

// Every worker that is started anew listens for the end, so that nothing outlives it.
process.setMaxListeners(0);
const [program = '', only = ''] = process.argv.slice(2);
/** Seconds in which all is well, the most that an incident is played for, and in which it goes on after its alert. */
const [WELL, MOST] = [150, 25 * 60];
const EVERY = 15;
const CALM = 'calm';

const played = INCIDENTS.filter(({ name }) => only === '' || only.split(',').includes(name));
const folder = mkdtempSync(join(tmpdir(), 'longshore-incidents-'));
const endpoint = `http://127.0.0.1:${await freePort()}`;
const emulator = new Program(program, ['emulator', '--listen', endpoint.slice('http://'.length)], folder);
const sleep = (seconds: number) => new Promise((done) => setTimeout(done, seconds * 1000));
await sleep(2);

const ground = { program, folder, endpoint };
const stages = new Map<string, Stage>();
stages.set(CALM, await Stage.open(ground, CALM, {}));
for (const { name, setting } of played) stages.set(name, await Stage.open(ground, name, setting));
const prometheus = await Prometheus.ofFiles(folder, join(HERE, 'alerts.yaml'), EVERY);

console.log(`the rules of dashboards/alerts.yaml as they are, evaluated every ${EVERY} s; ${WELL} s in which all is well`);
await sleep(WELL);
const before = await firing();
for (const [job, names] of before) console.log(`raised while all is well: ${job} ${[...names].join(' ')}`);
const start = Date.now();
for (const { name, begin } of played) await begin(stages.get(name) as Stage);

/** When each alert of each fleet was first seen, in seconds. */
const seen = new Map<string, Map<string, number>>();
const isSeen = ({ name, alert, severity }: Incident) => seen.get(name)?.has(`${alert} ${severity}`) === true;
while (!played.every(isSeen) && (Date.now() - start) / 1000 < MOST) {
  await sleep(5);
  const seconds = Math.round((Date.now() - start) / 1000);
  for (const [job, alerts] of await firing()) {
    const known = seen.get(job) ?? new Map<string, number>();
    seen.set(job, known);
    for (const alert of alerts) {
      if (known.has(alert)) continue;
      known.set(alert, seconds);
      console.log(`${clock(seconds)}  ${job}: ${alert}`);
    }
  }
}

console.log('\n| incident | alert | minute | others |\n|---|---|---|---|');
let failed = before.size > 0 || seen.has(CALM);
for (const incident of played) {
  const all = [...(seen.get(incident.name) ?? [])];
  const own = all.find(([alert]) => alert === `${incident.alert} ${incident.severity}`);
  const others = all.filter((one) => one !== own).map(([alert, at]) => `${alert} ${Math.ceil(at / 60)}`);
  console.log(`| ${incident.what} | ${incident.alert}, ${incident.severity} | ${own === undefined ? 'NOT SEEN' : Math.ceil(own[1] / 60)} | ${others.join(', ')} |`);
  const isLoud = incident.quiet === 'quiet' && all.some(([alert]) => alert.endsWith(' page'));
  if (isLoud) console.log(`somebody was called for ${incident.name}`);
  failed ||= own === undefined || isLoud;
}
if (seen.has(CALM)) console.log(`raised for a fleet that is well: ${[...(seen.get(CALM) ?? [])].join(' ')}`);

await Promise.all([...stages.values()].map((stage) => stage.end()));
await prometheus.kill();
await emulator.end('SIGKILL');
rmSync(folder, { recursive: true, force: true });
process.exit(failed ? 1 : 0);

/** The alerts that are raised, by their fleet. */
async function firing(): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  for (const { metric } of await prometheus.instant('ALERTS{alertstate="firing"}', Date.now() / 1000)) {
    const job = metric['job'] ?? '-';
    found.set(job, (found.get(job) ?? new Set()).add(`${metric['alertname']} ${metric['severity']}`));
  }
  return found;
}

function clock(seconds: number): string {
  return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
}
