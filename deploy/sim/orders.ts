// The tasks that the workers order themselves, as in src/ecs/scale_out.rs.
import type { ScalableTarget } from './auto_scaling.ts';
import type { Line } from './fleet.ts';

/** Seconds from a count by SQS to the change of the desired count: up to two and a half until the worker looks, and two calls of ECS. */
const ORDER_SECONDS = 3;
/** `BACKLOG_TARGET`. */
const TARGET = 60;

/** Raises a capacity to what the tasks say that their queue needs; to take tasks away is left to alarms. */
export class Orders {
  private ordered: { readonly at: number; readonly tasks: number }[] = [];

  constructor(
    private readonly target: ScalableTarget,
    private readonly concurrency: number,
  ) {}

  /** One second, with what the tasks see that look in it. */
  pass(now: number, looks: readonly Line[]): void {
    this.ordered.push(...looks.map((line) => ({ at: now + ORDER_SECONDS, tasks: this.needed(line) })));
    const due = this.ordered.filter(({ at }) => at <= now);
    this.ordered = this.ordered.filter(({ at }) => at > now);
    for (const { tasks } of due) if (tasks > this.target.capacity) this.target.set(tasks, now);
  }

  private needed({ secondsPerMessage = 0, waiting, inFlight }: Line): number {
    if (waiting === 0) return 0;
    return Math.ceil(Math.min((waiting * secondsPerMessage) / TARGET, waiting + inFlight) / this.concurrency);
  }
}
