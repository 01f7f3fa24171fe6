// How late the data points of each source come, and which never do.
import { chance } from './random.ts';

/** Where a metric comes from; `soon` are those that the workers publish every ten seconds. */
export type Source = 'sqs' | 'worker' | 'soon' | 'ecs' | 'api';

/** One data point by its place, the second in which it begins. */
export interface DataPoint {
  readonly source: Source;
  readonly metric: string;
  readonly at: number;
}

/** One way in which metrics come: the seconds from the end of their minute or ten seconds, `undefined` for never. */
export type Lateness = (point: DataPoint) => number | undefined;

const SOON = 5;
/** The log driver sends every five seconds, and CloudWatch Logs takes the metrics out of the lines. */
const BY_LOG = 12;

/** The lateness of each source; those that the workers publish come by the log in each way that does not say otherwise. */
const late = (by: Partial<Record<Source, number>>, rest: number) => ({ source }: DataPoint) => (source === 'soon' ? (by.soon ?? BY_LOG) : (by[source] ?? rest) + SOON);
const isOfWorkers = ({ source }: DataPoint) => source === 'worker' || source === 'soon';
const aMinute = late({}, 60);

/** Every way, by the name that the report has for it. */
export const LATENESS = {
  'on time': late({}, 0),
  'a minute late': aMinute,
  'all a minute late, those of ten seconds too': late({ soon: 60 + SOON }, 60),
  'none of ten seconds': (point) => (point.source === 'soon' ? undefined : aMinute(point)),
  'queue two minutes late': late({ sqs: 120 }, 0),
  'workers two minutes late': late({ worker: 120, soon: 120 + SOON }, 0),
  'tasks two minutes late': late({ ecs: 120 }, 0),
  'requests on time, all else late': late({ api: 0, soon: 60 + SOON }, 60),
  'one in four missing': (point) => (chance(`${point.metric} ${point.at / 60}`) < 0.25 ? undefined : aMinute(point)),
  'workers silent for an hour': (point) => (isOfWorkers(point) && point.at >= 3600 && point.at < 7200 ? undefined : aMinute(point)),
  'workers always silent': (point) => (isOfWorkers(point) ? undefined : aMinute(point)),
} satisfies Record<string, Lateness>;

/** The name of a way. */
export type LatenessName = keyof typeof LATENESS;
