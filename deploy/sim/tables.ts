// The tables of docs/scaling-simulation.md: every trace, late or not, beside the CDK's pattern and KEDA.
import { LATENESS, type LatenessName } from './lateness.ts';
import { averageOf, measure, type Result } from './result.ts';
import { cdkPattern, keda, longshore, longshoreWorkers } from './scalers.ts';
import { type Scaling, simulate } from './simulate.ts';
import { TRACES, type Trace } from './trace.ts';

const SCALERS: Readonly<Record<string, Scaling>> = { Longshore: longshore(), 'Longshore, by workers': longshoreWorkers(), 'CDK pattern': cdkPattern(), KEDA: keda() };
const OTHER_READING = longshore('zero');
const OTHERWISE: LatenessName[] = ['queue two minutes late'];
const BY_WORKERS: LatenessName[] = ['queue two minutes late', 'one in four missing', 'workers always silent'];

const run = (trace: Trace, scaling: Scaling, lateness: LatenessName) => measure(simulate(trace, scaling, lateness));

/** The traces. */
export function traces(): string {
  const rows = TRACES.map(({ name, description, hours, concurrency, minTasks, maxTasks }) => `| ${name} | ${description} | ${hours} h | ${concurrency} | ${minTasks} to ${maxTasks} |`);
  return ['| trace | messages | time | slots | tasks |', '|---|---|---|---|---|', ...rows].join('\n');
}

/** Each trace by each scaler, with metrics a minute late. */
export function compared(): string {
  const rows = TRACES.flatMap((trace) => Object.keys(SCALERS).map((name) => row(trace, name)));
  return ['| trace | scaled by | task-minutes | of the work | of whole tasks | wait p50 | p99 | reversals | most tasks | burst drained: average, longest |', '|---|---|---|---|---|---|---|---|---|---|', ...rows].join('\n');
}

/** One row of that table. */
export function row(trace: Trace, name: string): string {
  return `| ${trace.name} | ${name} | ${cells(run(trace, SCALERS[name] as Scaling, 'a minute late'))} |`;
}

function cells(result: Result): string {
  const { taskMinutes, neededMinutes, wholeMinutes, waitP50, waitP99, reversals, mostTasks, drained } = result;
  const average = drained.length === 0 ? '–' : `${averageOf(drained)} s, ${Math.max(...drained)} s`;
  return [taskMinutes, share(taskMinutes, neededMinutes), share(taskMinutes, wholeMinutes), `${waitP50} s`, `${waitP99} s`, reversals, mostTasks, average].join(' | ');
}

const share = (part: number, whole: number) => (part / whole).toFixed(2);

/** Each trace by this deployment, for each way in which metrics come. */
export function byLateness(): string {
  const ways = Object.keys(LATENESS) as LatenessName[];
  const columns: [string, (trace: Trace) => Result][] = [
    ...ways.map((way): [string, (trace: Trace) => Result] => [way, (trace) => run(trace, SCALERS['Longshore'] as Scaling, way)]),
    ...BY_WORKERS.map((way): [string, (trace: Trace) => Result] => [`${way}, by workers`, (trace) => run(trace, SCALERS['Longshore, by workers'] as Scaling, way)]),
    ...OTHERWISE.map((way): [string, (trace: Trace) => Result] => [`${way}, read as 0`, (trace) => run(trace, OTHER_READING, way)]),
  ];
  const rows = columns.map(([name, of]) => `| ${name} | ${TRACES.map((trace) => brief(of(trace))).join(' | ')} |`);
  return [`| metrics | ${TRACES.map(({ name }) => name).join(' | ')} |`, `|---|${TRACES.map(() => '---|').join('')}`, ...rows].join('\n');
}

const brief = ({ taskMinutes, neededMinutes, waitP99, reversals }: Result) => `${share(taskMinutes, neededMinutes)}, ${waitP99} s, ${reversals}`;
