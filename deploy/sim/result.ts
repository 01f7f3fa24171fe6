// What a run cost, how long messages waited, and how often the fleet turned round.
import type { Run } from './simulate.ts';
import type { Trace } from './trace.ts';

/** The numbers of one run. */
export interface Result {
  /** Minutes of tasks that were paid for. */
  readonly taskMinutes: number;
  /** The minutes of tasks that the work needs in fractions of tasks, the minimum included. */
  readonly neededMinutes: number;
  /** The same in whole tasks: as many in each second as have a slot for all that runs. */
  readonly wholeMinutes: number;
  /** Seconds from sending to the first call, of messages that can succeed. */
  readonly waitP50: number;
  readonly waitP99: number;
  /** Changes of direction of the number of tasks. */
  readonly reversals: number;
  readonly mostTasks: number;
  /** The seconds from the beginning of each burst to the end of its last message. */
  readonly drained: readonly number[];
  /** Messages that had not ended. */
  readonly left: number;
}

/** Measures a run. */
export function measure({ trace, messages, target, paidSeconds, left }: Run): Result {
  const good = messages.filter(({ arrival }) => !arrival.isPoison);
  const end = trace.hours * 3600;
  const waits = good.map(({ arrival, startedAt }) => (startedAt ?? end) - arrival.at).sort((a, b) => a - b);
  const quantile = (share: number) => waits[Math.min(Math.floor(waits.length * share), waits.length - 1)] ?? 0;
  const { bursts = [] } = trace;
  const lastOf = (from: number, to = Infinity) => messages.filter(({ arrival: { at } }) => at >= from && at < to).reduce((last, { endedAt = end }) => Math.max(last, endedAt), 0);
  return {
    taskMinutes: Math.round(paidSeconds / 60),
    neededMinutes: Math.round(neededSeconds(trace, (tasks) => tasks) / 60),
    wholeMinutes: Math.round(neededSeconds(trace, Math.ceil) / 60),
    waitP50: quantile(0.5),
    waitP99: quantile(0.99),
    reversals: reversals([trace.minTasks, ...target.history.map(({ capacity }) => capacity)]),
    mostTasks: Math.max(trace.minTasks, ...target.history.map(({ capacity }) => capacity)),
    drained: bursts.map((at, index) => lastOf(at, bursts[index + 1]) - at),
    left,
  };
}

/** The average in whole seconds. */
export const averageOf = (values: readonly number[]): number => Math.round(values.reduce((sum, value) => sum + value, 0) / values.length);

/** Turns between more and fewer. */
export function reversals(capacities: readonly number[]): number {
  const directions = capacities.slice(1).map((capacity, index) => Math.sign(capacity - (capacities[index] ?? capacity)));
  return directions.filter((direction, index) => index > 0 && direction !== directions[index - 1]).length;
}

/** The seconds of tasks if each message began when it was sent, never fewer than the minimum. */
function neededSeconds({ arrivals, hours, concurrency, minTasks }: Trace, rounded: (tasks: number) => number): number {
  const changes = new Array<number>(hours * 3600 + 1).fill(0);
  const add = (second: number, change: number) => {
    if (second < changes.length) changes[second] = (changes[second] ?? 0) + change;
  };
  for (const { at, seconds } of arrivals) {
    add(at, 1);
    add(at + seconds, -1);
  }
  let [running, total] = [0, 0];
  for (const change of changes) {
    running += change;
    total += Math.max(rounded(running / concurrency), minTasks);
  }
  return total;
}
