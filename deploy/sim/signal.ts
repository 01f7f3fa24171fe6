// What a worker measures of its calls, as `SecondsPerMessage` in src/consumer/depth/work.rs and src/consumer/running.rs.

/** The average time of a message, from one line to the next. */
export class WorkAverage {
  private seconds = 0;
  private messages = 0;
  private usual: number | undefined;
  private lastEnd: number;

  constructor(startedAt: number) {
    this.lastEnd = startedAt;
  }

  ended(seconds: number, now: number): void {
    this.seconds += seconds;
    this.messages++;
    this.lastEnd = now;
  }

  /** The value of the next line; the ages are those of the calls that run. */
  line(ages: readonly number[], now: number): number | undefined {
    if (this.messages > 0) this.usual = this.seconds / this.messages;
    [this.seconds, this.messages] = [0, 0];
    return this.now(ages, now);
  }

  /** The value between two lines. */
  now(ages: readonly number[], now: number): number | undefined {
    if (this.usual !== undefined && now - this.lastEnd <= this.usual) return this.usual;
    const running = ages.length === 0 ? undefined : ages.reduce((sum, age) => sum + age, 0) / ages.length;
    const known = [this.usual, running].filter((value) => value !== undefined);
    return known.length === 0 ? undefined : Math.max(...known);
  }
}
