// KEDA's aws-sqs-queue scaler with the Horizontal Pod Autoscaler: both at their defaults, the queue's length as in deploy/helm.
import type { ScalableTarget } from './auto_scaling.ts';

const POLLING_SECONDS = 30;
const SYNC_SECONDS = 15;
const TOLERANCE = 0.1;
const STABILIZATION_SECONDS = 300;
const COOLDOWN_SECONDS = 300;
/** What the autoscaler may add in 15 s: as many pods as there are, or four. */
const SCALE_UP = (capacity: number) => Math.max(2 * capacity, capacity + 4);

/** Messages per pod decide; KEDA asks SQS itself, so that no metric is late. */
export class Keda {
  private messages = 0;
  private activeAt = -Infinity;
  private recommendations: { readonly at: number; readonly pods: number }[] = [];

  constructor(
    private readonly target: ScalableTarget,
    private readonly messagesPerPod: number,
  ) {}

  /** One second, with the messages that wait and are in flight. */
  pass(now: number, messages: number): void {
    if (now % POLLING_SECONDS === 0) {
      this.messages = messages;
      if (messages > 0) this.activeAt = now;
      this.activate(now);
    }
    if (now % SYNC_SECONDS === 0 && this.target.capacity > 0) this.sync(now);
  }

  /** KEDA itself scales from zero to one, and back when nothing has been there for the cooldown. */
  private activate(now: number): void {
    const { target } = this;
    if (target.capacity === 0 && this.messages > 0) target.set(1, now);
    if (target.min === 0 && target.capacity > 0 && now - this.activeAt >= COOLDOWN_SECONDS) target.set(0, now);
  }

  private sync(now: number): void {
    const { target } = this;
    const ratio = this.messages / (this.messagesPerPod * target.capacity);
    const pods = Math.abs(ratio - 1) <= TOLERANCE ? target.capacity : Math.ceil(this.messages / this.messagesPerPod);
    const within = Math.min(Math.max(pods, target.min, 1), target.max);
    this.recommendations = [...this.recommendations.filter(({ at }) => now - at < STABILIZATION_SECONDS), { at: now, pods: within }];
    if (within > target.capacity) target.set(Math.min(within, SCALE_UP(target.capacity)), now);
    // It scales down to the greatest recommendation of the last five minutes.
    else target.set(Math.min(target.capacity, Math.max(...this.recommendations.map(({ pods }) => pods))), now);
  }
}
