// The traffic: when messages come, how long each takes, and whether it can succeed.
import { random } from './random.ts';

/** A message as it is sent. */
export interface Arrival {
  /** The second in which it is sent. */
  readonly at: number;
  /** Whole seconds of work. */
  readonly seconds: number;
  /** Whether its handler fails each time, so that it ends in the DLQ. */
  readonly isPoison?: boolean;
}

/** A trace with the fleet that it is for. */
export interface Trace {
  readonly name: string;
  readonly description: string;
  readonly hours: number;
  /** Slots in each task. */
  readonly concurrency: number;
  readonly minTasks: number;
  readonly maxTasks: number;
  /** Whether calls may outlast a stop, so that tasks ask for protection. */
  readonly isLong: boolean;
  readonly arrivals: readonly Arrival[];
  /** When bursts begin, each of which has ended before the next. */
  readonly bursts?: readonly number[];
}

const HOUR = 3600;

/** Messages that come independently of each other, so many a second on average. */
function poisson(rate: number, from: number, to: number, seconds: number, seed: number): Arrival[] {
  const next = random(seed);
  const arrivals: Arrival[] = [];
  for (let at = from - Math.log(1 - next()) / rate; at < to; at -= Math.log(1 - next()) / rate) arrivals.push({ at: Math.floor(at), seconds });
  return arrivals;
}

/** Messages that come at once, in ten seconds. */
function burst(count: number, at: number, seconds: number): Arrival[] {
  return Array.from({ length: count }, (_, index) => ({ at: at + Math.floor((10 * index) / count), seconds }));
}

/** Bursts of one kind with the fleet that they are for. */
function bursts(name: string, description: string, count: number, seconds: number): Trace {
  const starts = Array.from({ length: 6 }, (_, index) => 720 + index * (HOUR + 10));
  return trace(name, description, starts.flatMap((at) => burst(count, at, seconds)), { bursts: starts });
}

function trace(name: string, description: string, arrivals: Arrival[], rest: Partial<Trace> = {}): Trace {
  const sorted = arrivals.toSorted((a, b) => a.at - b.at);
  return { name, description, hours: 6, concurrency: 16, minTasks: 1, maxTasks: 10, isLong: false, ...rest, arrivals: sorted };
}

const hourly = (hour: number) => (hour % 2 === 0 ? 1 : 3);

/** Every trace of the report. */
export const TRACES: readonly Trace[] = [
  trace('steady, 30 s', '2 messages a second of 30 s', poisson(2, 0, 6 * HOUR, 30, 1)),
  trace('steady, 1 s', '40 messages a second of 1 s', poisson(40, 0, 6 * HOUR, 1, 2)),
  trace('steady, 2 min', '0.3 messages a second of 2 minutes', poisson(0.3, 0, 6 * HOUR, 120, 3), { isLong: true }),
  trace('by the hour', '1 message a second of 30 s in one hour, 3 in the next', [0, 1, 2, 3, 4, 5].flatMap((hour) => poisson(hourly(hour), hour * HOUR, (hour + 1) * HOUR, 30, 10 + hour))),
  bursts('bursts, 2 s', '6,000 messages of 2 s at once, each hour 10 s later in its minute', 6000, 2),
  bursts('bursts, 20 s', '3,000 messages of 20 s at once, each hour 10 s later in its minute', 3000, 20),
  trace('long jobs', 'twelve jobs of 2 hours at once, in tasks of 4 slots', burst(12, 600, 2 * HOUR), { concurrency: 4, isLong: true, bursts: [600] }),
  trace('poison storm', '2 messages a second of 5 s; for ten minutes 5 more a second that always fail, after 2 s', [
    ...poisson(2, 0, 6 * HOUR, 5, 4),
    ...poisson(5, HOUR, HOUR + 600, 2, 5).map((arrival) => ({ ...arrival, isPoison: true })),
  ]),
  trace('nightly zero', '1 message a second of 10 s for 3 hours, 7 hours of nothing, then one message, and 3 more hours', [
    ...poisson(1, 0, 3 * HOUR, 10, 6),
    { at: 10 * HOUR, seconds: 10 },
    ...poisson(1, 11 * HOUR, 14 * HOUR, 10, 7),
  ], { hours: 15, minTasks: 0 }),
];
