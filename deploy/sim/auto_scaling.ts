// Application Auto Scaling: a capacity between limits, step scaling and target tracking with their cooldowns.

/** A capacity within its limits. */
export class ScalableTarget {
  readonly history: { readonly at: number; readonly capacity: number }[] = [];

  constructor(
    readonly min: number,
    readonly max: number,
    public capacity: number,
  ) {}

  set(capacity: number, now: number): void {
    const within = Math.min(Math.max(capacity, this.min), this.max);
    if (within === this.capacity) return;
    this.capacity = within;
    this.history.push({ at: now, capacity: within });
  }
}

/** A policy that alarms invoke with their data points. */
export interface Policy {
  invoke(now: number, values: readonly number[], threshold: number): void;
}

/** One step: what is added when the value is this far above the alarm's threshold. */
export interface Step {
  readonly lower: number;
  readonly upper: number;
  readonly adjustment: number;
}

/**
 * Keeps one policy's cooldowns. While that of a scale-out lasts, what it added counts for the next one, so that only a larger one
 * adds to it; while that of a scale-in lasts, nothing is taken away, and a scale-out ends it.
 */
class Cooldown {
  private out = { until: -1, from: 0 };
  private inUntil = -1;

  constructor(
    private readonly target: ScalableTarget,
    private readonly outSeconds: number,
    private readonly inSeconds: number,
  ) {}

  /** Sets what the capacity becomes; `next` is given the capacity that counts. */
  apply(now: number, next: (capacity: number) => number): void {
    const { target } = this;
    if (next(target.capacity) < target.capacity) {
      if (now < this.inUntil) return;
      target.set(next(target.capacity), now);
      this.inUntil = now + this.inSeconds;
      return;
    }
    const from = now < this.out.until ? this.out.from : target.capacity;
    const wanted = Math.min(next(from), target.max);
    if (wanted <= target.capacity) return;
    target.set(wanted, now);
    this.out = { until: now + this.outSeconds, from };
    this.inUntil = -1;
  }
}

const AGGREGATES = {
  Maximum: (values: readonly number[]) => Math.max(...values),
  Minimum: (values: readonly number[]) => Math.min(...values),
  Average: (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length,
};

/** The name of an aggregation. */
export type Aggregation = keyof typeof AGGREGATES;

/** Step scaling by `ChangeInCapacity`; the value is the aggregate of the data points that the alarm evaluated. */
export class StepScaling implements Policy {
  private readonly cooldown: Cooldown;

  constructor(
    target: ScalableTarget,
    private readonly steps: readonly Step[],
    private readonly aggregation: Aggregation,
    cooldown: number,
  ) {
    this.cooldown = new Cooldown(target, cooldown, cooldown);
  }

  invoke(now: number, values: readonly number[], threshold: number): void {
    const above = AGGREGATES[this.aggregation](values) - threshold;
    const step = this.steps.find(({ lower, upper }) => above >= lower && above < upper) ?? this.steps.find(({ lower, upper }) => above > lower && above <= upper);
    if (step !== undefined) this.cooldown.apply(now, (capacity) => capacity + step.adjustment);
  }
}

/**
 * Target tracking: three data points above the target scale out, fifteen below nine tenths of it scale in, each in proportion to the last
 * value. AWS documents neither number nor the proportion exactly; they are what its alarms show.
 */
export class TargetTracking implements Policy {
  static readonly HIGH = { points: 3, share: 1 };
  static readonly LOW = { points: 15, share: 0.9 };
  private readonly cooldown: Cooldown;

  constructor(
    target: ScalableTarget,
    private readonly targetValue: number,
    cooldowns: { readonly out: number; readonly in: number },
  ) {
    this.cooldown = new Cooldown(target, cooldowns.out, cooldowns.in);
  }

  invoke(now: number, values: readonly number[]): void {
    const share = (values.at(-1) ?? this.targetValue) / this.targetValue;
    this.cooldown.apply(now, (capacity) => Math.ceil(capacity * share - 1e-9));
  }
}
