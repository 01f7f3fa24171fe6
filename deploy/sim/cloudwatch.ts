// CloudWatch's store: data points by the minute or by ten seconds, each of which may come late or never.
import type { DataPoint, Source } from './lateness.ts';

/** Seconds of a data point: what AWS publishes has a minute, what is of high resolution is read by ten seconds here. */
export type Resolution = 60 | 10;

/** The shortest. */
const SHORTEST: Resolution = 10;

/** The data points of every metric, by namespace and name. */
export class CloudWatch {
  private readonly points = new Map<string, Map<number, { readonly value: number; readonly from: number }>>();

  constructor(private readonly lateness: (point: DataPoint) => number | undefined) {}

  /** Takes the value of so many seconds from `at`; it is read from when its lateness has passed. */
  publish(source: Source, metric: string, at: number, seconds: Resolution, value: number): void {
    const late = this.lateness({ source, metric, at });
    if (late === undefined) return;
    const points = this.points.get(metric) ?? new Map<number, { value: number; from: number }>();
    points.set(at, { value, from: at + seconds + late });
    this.points.set(metric, points);
  }

  /** The greatest value of so many seconds from `first` as far as it is known now; `undefined` if there is none. */
  greatest(metric: string, first: number, seconds: number, now: number): number | undefined {
    const points = this.points.get(metric);
    let most: number | undefined;
    for (let at = first; at < first + seconds; at += SHORTEST) {
      const point = points?.get(at);
      if (point !== undefined && point.from <= now) most = Math.max(most ?? point.value, point.value);
    }
    return most;
  }
}
