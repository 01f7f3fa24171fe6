// How late the data points of each source come, and which never do.
import { chance } from './random.ts';

/** Where a metric comes from. */
export type Source = 'sqs' | 'worker' | 'ecs' | 'api';

/** One data point by its place. */
export interface MinuteOf {
  readonly source: Source;
  readonly metric: string;
  readonly minute: number;
}

/** One way in which metrics come: the seconds from the end of their minute, `undefined` for never. */
export type Lateness = (point: MinuteOf) => number | undefined;

const SOON = 5;

/** Every way, by the name that the report has for it. */
export const LATENESS = {
  'on time': () => SOON,
  'a minute late': () => 60 + SOON,
  'queue two minutes late': ({ source }) => (source === 'sqs' ? 120 : 0) + SOON,
  'workers two minutes late': ({ source }) => (source === 'worker' ? 120 : 0) + SOON,
  'tasks two minutes late': ({ source }) => (source === 'ecs' ? 120 : 0) + SOON,
  'requests on time, all else late': ({ source }) => (source === 'api' ? 0 : 60) + SOON,
  'one in four missing': ({ metric, minute }) => (chance(`${metric} ${minute}`) < 0.25 ? undefined : 60 + SOON),
  'workers silent for an hour': ({ source, minute }) => (source === 'worker' && minute >= 60 && minute < 120 ? undefined : 60 + SOON),
  'workers always silent': ({ source }) => (source === 'worker' ? undefined : 60 + SOON),
} satisfies Record<string, Lateness>;

/** The name of a way. */
export type LatenessName = keyof typeof LATENESS;
