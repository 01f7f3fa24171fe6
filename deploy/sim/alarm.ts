// A CloudWatch alarm: M of N data points, and what it makes of those that are missing.
import type { CloudWatch } from './cloudwatch.ts';
import { parse, type Reading, type Series } from './metric_math.ts';

/** A metric, or an expression over those before it. */
export type Query = { readonly id: string } & ({ readonly metric: string } | { readonly expression: string });

/** An alarm as it is in a template, or as Application Auto Scaling makes it. */
export interface AlarmSettings {
  readonly name: string;
  /** The last one is compared. */
  readonly queries: readonly Query[];
  /** Seconds of a data point. */
  readonly period: number;
  readonly isBreaching: (value: number) => boolean;
  readonly threshold: number;
  readonly evaluationPeriods: number;
  readonly datapointsToAlarm: number;
  readonly treatMissingData: 'missing' | 'notBreaching' | 'breaching' | 'ignore';
}

/** The state of an alarm. */
export type State = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';

/** CloudWatch looks at more data points than it evaluates: five for three in the guide's example. */
const FURTHER_POINTS = 2;
const MINUTE = 60;
/** The second of each minute in which alarms are evaluated; those of high resolution are each ten seconds. */
const EVALUATED_AT = 15;

/** An alarm with its state. */
export class Alarm {
  state: State = 'INSUFFICIENT_DATA';
  /** The data points that the state was found by. */
  evaluated: readonly number[] = [];
  private readonly expressions: ReadonlyMap<string, ReturnType<typeof parse>>;

  constructor(
    readonly settings: AlarmSettings,
    private readonly store: CloudWatch,
    private readonly reading: Reading,
  ) {
    this.expressions = new Map(settings.queries.flatMap((query) => ('expression' in query ? [[query.id, parse(query.expression)] as const] : [])));
  }

  /** Evaluates at this second, if it does then; says whether it acts, which it does once a minute or a period while it is in alarm. */
  evaluate(now: number): boolean {
    const { period, evaluationPeriods } = this.settings;
    const every = period < MINUTE ? 10 : MINUTE;
    if (now % every !== EVALUATED_AT % every) return false;
    const newest = Math.floor(now / period);
    const points = this.series(newest - evaluationPeriods - FURTHER_POINTS, newest, now);
    const existing = points.filter((value) => value !== undefined);
    this.evaluated = existing.slice(-evaluationPeriods);
    const before = this.state;
    this.state = this.stateOf(points);
    return this.state === 'ALARM' && (before !== 'ALARM' || now % Math.max(period, MINUTE) < every);
  }

  /** The values of the periods from `first` to before `end`. */
  private series(first: number, end: number, now: number): Series {
    const { queries, period } = this.settings;
    const scope: Record<string, Series> = {};
    let last: Series = [];
    for (const query of queries) {
      const periods = Array.from({ length: end - first }, (_, index) => first + index);
      const found = 'metric' in query ? periods.map((each) => this.store.greatest(query.metric, each * period, period, now)) : this.expressions.get(query.id)?.({ series: scope, reading: this.reading });
      if (typeof found !== 'object') throw new Error(`not a series: ${query.id}`);
      scope[query.id] = last = found;
    }
    return last;
  }

  private stateOf(points: Series): State {
    const { evaluationPeriods, datapointsToAlarm, treatMissingData, isBreaching } = this.settings;
    const breaching = this.evaluated.filter(isBreaching).length;
    const filled = evaluationPeriods - this.evaluated.length;
    if (breaching >= datapointsToAlarm || (treatMissingData === 'breaching' && breaching + filled >= datapointsToAlarm)) return 'ALARM';
    if (filled === 0 || treatMissingData === 'notBreaching' || treatMissingData === 'breaching') return 'OK';
    if (this.evaluated.length > breaching) return 'OK';
    if (treatMissingData === 'ignore') return this.state;
    // With nothing but breaching points it is in alarm before time when the oldest of them is about to be forgotten.
    return points[0] !== undefined ? 'ALARM' : 'INSUFFICIENT_DATA';
  }
}
