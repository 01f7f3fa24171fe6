// The scaling that a synthesized template describes: its policies, and the alarms that invoke them.
import { Alarm, type AlarmSettings, type Query } from './alarm.ts';
import { type Aggregation, type Policy, type ScalableTarget, StepScaling, TargetTracking } from './auto_scaling.ts';
import type { CloudWatch } from './cloudwatch.ts';
import type { Reading } from './metric_math.ts';

interface Resource {
  readonly Type: string;
  readonly Properties: any;
}

/** An alarm with the policy that it invokes. */
export interface Rule {
  readonly alarm: Alarm;
  readonly policy: Policy;
}

const COMPARISONS: Readonly<Record<string, (value: number, threshold: number) => boolean>> = {
  GreaterThanOrEqualToThreshold: (value, threshold) => value >= threshold,
  GreaterThanThreshold: (value, threshold) => value > threshold,
  LessThanOrEqualToThreshold: (value, threshold) => value <= threshold,
  LessThanThreshold: (value, threshold) => value < threshold,
};

/** Every rule of a template, for a target that begins at its minimum. */
export function rulesOf(template: Record<string, unknown>, target: ScalableTarget, store: CloudWatch, reading: Reading): Rule[] {
  const resources = Object.entries(template['Resources'] as Record<string, Resource>);
  const alarms = resources.filter(([, { Type }]) => Type === 'AWS::CloudWatch::Alarm').map(([, { Properties }]) => Properties);
  return resources
    .filter(([, { Type }]) => Type === 'AWS::ApplicationAutoScaling::ScalingPolicy')
    .flatMap(([id, { Properties: policy }]) => (policy.PolicyType === 'StepScaling' ? stepRules(id, policy) : trackingRules(id, policy)));

  function stepRules(id: string, { StepScalingPolicyConfiguration: steps }: any): Rule[] {
    if (steps.AdjustmentType !== 'ChangeInCapacity') throw new Error(`not supported: ${steps.AdjustmentType}`);
    const invoking = alarms.filter(({ AlarmActions }) => AlarmActions?.some(({ Ref }: { Ref?: string }) => Ref === id));
    const bounds = steps.StepAdjustments.map((step: any) => ({
      lower: step.MetricIntervalLowerBound ?? -Infinity,
      upper: step.MetricIntervalUpperBound ?? Infinity,
      adjustment: step.ScalingAdjustment,
    }));
    const aggregation: Aggregation = steps.MetricAggregationType ?? 'Average';
    const policy = new StepScaling(target, bounds, aggregation, steps.Cooldown ?? DEFAULT_COOLDOWN);
    return invoking.map((alarm) => ({ alarm: new Alarm(alarmOf(alarm), store, reading), policy }));
  }

  function trackingRules(id: string, { TargetTrackingScalingPolicyConfiguration: tracking }: any): Rule[] {
    const { TargetValue: targetValue, CustomizedMetricSpecification: custom } = tracking;
    const queries: Query[] = custom ? custom.Metrics.map(queryOf) : [{ id: 'cpu', metric: CPU }];
    const policy = new TargetTracking(target, targetValue, { out: tracking.ScaleOutCooldown ?? DEFAULT_COOLDOWN, in: tracking.ScaleInCooldown ?? DEFAULT_COOLDOWN });
    const watch = (name: string, { points, share }: { points: number; share: number }, isBreaching: (value: number) => boolean): Rule => {
      const settings = { name: `${id} ${name}`, queries, period: 60, isBreaching, threshold: share * targetValue, treatMissingData: 'missing' } as const;
      return { alarm: new Alarm({ ...settings, evaluationPeriods: points, datapointsToAlarm: points }, store, reading), policy };
    };
    const { HIGH, LOW } = TargetTracking;
    return [watch('high', HIGH, (value) => value > targetValue), watch('low', LOW, (value) => value < LOW.share * targetValue)];
  }
}

/** Application Auto Scaling's own for ECS. */
const DEFAULT_COOLDOWN = 300;
const CPU = 'AWS/ECS CPUUtilization';

/** An alarm's settings by its properties. */
export function alarmOf(alarm: any): AlarmSettings {
  const compare = COMPARISONS[alarm.ComparisonOperator];
  if (compare === undefined) throw new Error(`not supported: ${alarm.ComparisonOperator}`);
  const metrics: any[] = alarm.Metrics ?? [{ Id: 'metric', MetricStat: { Metric: alarm, Period: alarm.Period } }];
  const seconds = metrics.find(({ MetricStat }) => MetricStat)?.MetricStat.Period ?? 60;
  return {
    name: alarm.AlarmName ?? 'unnamed',
    queries: metrics.map(queryOf),
    period: seconds,
    isBreaching: (value) => compare(value, alarm.Threshold),
    threshold: alarm.Threshold,
    evaluationPeriods: alarm.EvaluationPeriods,
    datapointsToAlarm: alarm.DatapointsToAlarm ?? alarm.EvaluationPeriods,
    treatMissingData: alarm.TreatMissingData ?? 'missing',
  };
}

function queryOf({ Id, Expression, MetricStat }: any): Query {
  if (Expression !== undefined) return { id: Id, expression: Expression };
  const { Namespace, MetricName, Dimensions = [] } = MetricStat.Metric;
  const resolution = MetricStat.Period < 60 ? ' by ten seconds' : '';
  // The two APIs publish the count of their requests under one name each.
  const api = Dimensions.some(({ Name }: { Name: string }) => Name === 'ApiId') ? ' of the HTTP API' : '';
  return { id: Id, metric: `${Namespace} ${MetricName}${api}${resolution}` };
}
