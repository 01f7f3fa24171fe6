// CloudWatch's store: data points by the minute, each of which may come late or never.
import type { MinuteOf, Source } from './lateness.ts';

/** The data points of every metric, by namespace and name. */
export class CloudWatch {
  private readonly points = new Map<string, Map<number, { readonly value: number; readonly from: number }>>();

  constructor(private readonly lateness: (point: MinuteOf) => number | undefined) {}

  /** Takes a minute's value; it is read from when its lateness has passed. */
  publish(source: Source, metric: string, minute: number, value: number): void {
    const late = this.lateness({ source, metric, minute });
    if (late === undefined) return;
    const points = this.points.get(metric) ?? new Map<number, { value: number; from: number }>();
    points.set(minute, { value, from: (minute + 1) * 60 + late });
    this.points.set(metric, points);
  }

  /** The value of a minute as far as it is known at this second. */
  value(metric: string, minute: number, now: number): number | undefined {
    const point = this.points.get(metric)?.get(minute);
    return point !== undefined && point.from <= now ? point.value : undefined;
  }

  /** The greatest value of the minutes from `first`; `undefined` if there is none. */
  greatest(metric: string, first: number, minutes: number, now: number): number | undefined {
    const values = Array.from({ length: minutes }, (_, index) => this.value(metric, first + index, now)).filter((value) => value !== undefined);
    return values.length === 0 ? undefined : Math.max(...values);
  }
}
