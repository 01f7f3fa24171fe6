// Scaling on the work in the queue: target tracking between the limits, a step from zero.
import { CfnScalableTarget, CfnScalingPolicy } from 'aws-cdk-lib/aws-applicationautoscaling';
import type { CfnService } from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import { addAlarm } from './alarm.ts';
import { neededPerTask, type Query, waitingForNobody } from './metrics.ts';
import type { Names } from './names.ts';
import type { Settings } from './settings.ts';

type TargetTrackingQuery = CfnScalingPolicy.TargetTrackingMetricDataQueryProperty;

/** Lets the service scale. */
export function addScaling(scope: Construct, settings: Settings, names: Names, service: CfnService): void {
  const target = new CfnScalableTarget(scope, 'Capacity', {
    serviceNamespace: 'ecs',
    scalableDimension: 'ecs:service:DesiredCount',
    resourceId: names.within('service/{prefix}/{prefix}-worker'),
    minCapacity: settings.MIN_TASKS,
    maxCapacity: settings.MAX_TASKS,
  });
  target.addResourceDependency(service);
  trackWork(scope, settings, names, target.ref);
  stepFromZero(scope, names, target.ref);
}

/** Wants as many tasks as are needed: the share of each is to be 1. */
function trackWork(scope: Construct, settings: Settings, names: Names, scalingTargetId: string): void {
  new CfnScalingPolicy(scope, 'TrackWork', {
    policyName: names.within('{prefix}-work'),
    policyType: 'TargetTrackingScaling',
    scalingTargetId,
    targetTrackingScalingPolicyConfiguration: {
      targetValue: 1,
      scaleOutCooldown: settings.SCALE_OUT_COOLDOWN,
      scaleInCooldown: settings.SCALE_IN_COOLDOWN,
      customizedMetricSpecification: { metrics: neededPerTask(settings, names).map(asTrackingQuery) },
    },
  });
}

/** Target tracking multiplies the tasks that there are, and so never leaves zero. */
function stepFromZero(scope: Construct, names: Names, scalingTargetId: string): void {
  const step = new CfnScalingPolicy(scope, 'FromZero', {
    policyName: names.within('{prefix}-from-zero'),
    policyType: 'StepScaling',
    scalingTargetId,
    stepScalingPolicyConfiguration: {
      adjustmentType: 'ChangeInCapacity',
      cooldown: 180,
      metricAggregationType: 'Maximum',
      stepAdjustments: [{ metricIntervalLowerBound: 0, scalingAdjustment: 1 }],
    },
  });
  addAlarm(scope, 'Waiting', {
    name: names.within('{prefix}-waiting'),
    description: 'Messages wait and no task runs: starts the first one, and calls nobody. docs/operations.md#waiting',
    queries: waitingForNobody(names),
    threshold: 1,
    minutes: 1,
    actions: [step.ref],
  });
}

function asTrackingQuery(query: Query, index: number, all: readonly Query[]): TargetTrackingQuery {
  const { id } = query;
  const returnData = index === all.length - 1;
  if ('expression' in query) return { id, expression: query.expression, returnData };
  const { namespace, metricName, dimensions } = query.metric;
  const named = Object.entries(dimensions).map(([name, value]) => ({ name, value }));
  return { id, metricStat: { metric: { namespace, metricName, dimensions: named }, stat: query.stat }, returnData };
}
