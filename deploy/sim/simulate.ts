// One run: a trace through a queue and a fleet that a scaler sizes by the metrics that it can see.
import { ScalableTarget } from './auto_scaling.ts';
import { CloudWatch } from './cloudwatch.ts';
import { Fleet, type Line } from './fleet.ts';
import { LATENESS, type LatenessName, type Source } from './lateness.ts';
import { type Message, Queue } from './queue.ts';
import type { Trace } from './trace.ts';

/** What sizes the fleet, second by second. */
export interface Scaler {
  pass(now: number, queue: Queue, fleet: Fleet): void;
}

/** What makes a scaler for a target. */
export type Scaling = (target: ScalableTarget, store: CloudWatch, trace: Trace) => Scaler;

/** What a run came to. */
export interface Run {
  readonly trace: Trace;
  readonly messages: readonly Message[];
  readonly target: ScalableTarget;
  readonly paidSeconds: number;
  /** Messages in the queue or in flight at the end. */
  readonly left: number;
}

/** SQS sends no metrics of a queue that no call has named for so long, and takes up to so long to begin again. */
const IDLE_SECONDS = 6 * 3600;
const AWAKE_SECONDS = 15 * 60;
/** Of a vCPU, when every slot is busy: work that waits more than it computes. */
const CPU_PERCENT = 60;

/** Runs a trace to its end. */
export function simulate(trace: Trace, scaling: Scaling, lateness: LatenessName): Run {
  const queue = new Queue();
  const store = new CloudWatch(LATENESS[lateness]);
  const target = new ScalableTarget(trace.minTasks, trace.maxTasks, trace.minTasks);
  const fleet = new Fleet(trace, queue, trace.minTasks);
  const scaler = scaling(target, store, trace);
  const messages: Message[] = trace.arrivals.map((arrival) => ({ arrival, receives: 0 }));
  const metrics = new Metrics(store, queue, fleet, target);
  let next = 0;
  for (let now = 0; now < trace.hours * 3600; now++) {
    const before = next;
    for (let message = messages[next]; message !== undefined && message.arrival.at <= now; message = messages[++next]) queue.send(message);
    queue.pass(now);
    fleet.pass(now, target.capacity);
    metrics.pass(now, next - before);
    scaler.pass(now, queue, fleet);
  }
  return { trace, messages, target, paidSeconds: fleet.paidSeconds, left: queue.waiting + queue.inFlight };
}

/** Publishes what AWS publishes each minute, and what the workers print. */
class Metrics {
  private requests = 0;
  private lines: Line[] = [];
  private newest: Line[] = [];
  private calledAt = 0;
  private publishesFrom = 0;

  constructor(
    private readonly store: CloudWatch,
    private readonly queue: Queue,
    private readonly fleet: Fleet,
    private readonly target: ScalableTarget,
  ) {}

  pass(now: number, sent: number): void {
    this.requests += sent;
    this.newest.push(...this.fleet.lines());
    if (sent > 0 || this.fleet.running > 0) this.called(now);
    if (now % 10 === 9) this.publishLines(now - 9);
    if (now % 60 === 59) this.publish(now - 59, now);
  }

  private called(now: number): void {
    if (now - this.calledAt > IDLE_SECONDS) this.publishesFrom = now + AWAKE_SECONDS;
    this.calledAt = now;
  }

  /** The same lines are the points of ten seconds, which come by themselves, and of the minute. */
  private publishLines(at: number): void {
    for (const [name, value] of averages(this.newest)) this.store.publish('soon', `Longshore ${name} by ten seconds`, at, 10, value);
    this.lines.push(...this.newest);
    this.newest = [];
  }

  private publish(at: number, now: number): void {
    const { queue, fleet } = this;
    const publish = (source: Source, metric: string, value: number) => this.store.publish(source, metric, at, 60, value);
    if (now - this.calledAt <= IDLE_SECONDS && now >= this.publishesFrom) {
      publish('sqs', 'AWS/SQS ApproximateNumberOfMessagesVisible', queue.waiting);
      publish('sqs', 'AWS/SQS ApproximateAgeOfOldestMessage', queue.age(now));
      // SQS reports this one only while there are such messages.
      if (queue.inFlight > 0) publish('sqs', 'AWS/SQS ApproximateNumberOfMessagesNotVisible', queue.inFlight);
    }
    if (this.requests > 0) publish('api', 'AWS/ApiGateway Count', this.requests);
    for (const [name, value] of averages(this.lines)) publish('worker', `Longshore ${name}`, value);
    // Whether ECS reports services without tasks is not documented: here it does not.
    if (this.target.capacity > 0) publish('ecs', 'ECS/ContainerInsights DesiredTaskCount', this.target.capacity);
    if (fleet.running > 0) {
      publish('ecs', 'ECS/ContainerInsights RunningTaskCount', fleet.running);
      publish('ecs', 'AWS/ECS CPUUtilization', CPU_PERCENT * fleet.busyShare);
    }
    [this.requests, this.lines] = [0, []];
  }
}

/** The averages of the metrics of these lines that have a value. */
function averages(lines: readonly Line[]): (readonly [string, number])[] {
  const values: Readonly<Record<string, (number | undefined)[]>> = {
    SecondsPerMessage: lines.map(({ secondsPerMessage }) => secondsPerMessage),
    Concurrency: lines.map(() => 1),
    MessagesWaiting: lines.map(({ waiting }) => waiting),
    MessagesInFlight: lines.map(({ inFlight }) => inFlight),
  };
  return Object.entries(values).flatMap(([name, all]) => {
    const known = all.filter((value) => value !== undefined);
    return known.length === 0 ? [] : [[name, known.reduce((sum, value) => sum + value, 0) / known.length] as const];
  });
}
