// Scaling on the work in the queue: a step out, a step in, and one from zero.
import { CfnScalableTarget, CfnScalingPolicy } from 'aws-cdk-lib/aws-applicationautoscaling';
import type { CfnService } from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import { addAlarm, type AlarmProps } from './alarm.ts';
import { type Apis, missingTasks, spareTasks, waitingForNobody } from './metrics.ts';
import type { Names } from './names.ts';
import type { Settings } from './settings.ts';

interface Policy {
  readonly id: string;
  readonly name: string;
  /** From how far above the alarm's threshold, what changes; each ends where the next begins, and the first has no lower end. */
  readonly steps: readonly (readonly [from: number, change: number])[];
  readonly cooldown: number;
  /** What counts of several data points. */
  readonly aggregation?: 'Minimum';
  readonly alarm: Omit<AlarmProps, 'name' | 'actions'>;
}

/**
 * Seconds until a new task is among the tasks, even when that metric comes two minutes late. For so long Application Auto Scaling takes
 * what it has added as already there, and adds only what is missing beyond it.
 */
const COUNTED_AFTER = 240;

/** Lets the service scale; returns the policy that adds one task, for an alarm of another kind. */
export function addScaling(scope: Construct, settings: Settings, names: Names, service: CfnService, apis: Apis): string {
  const target = new CfnScalableTarget(scope, 'Capacity', {
    serviceNamespace: 'ecs',
    scalableDimension: 'ecs:service:DesiredCount',
    resourceId: names.within('service/{prefix}/{prefix}-worker'),
    minCapacity: settings.MIN_TASKS,
    maxCapacity: settings.MAX_TASKS,
  });
  target.addResourceDependency(service);
  const added = policies(settings, names, apis).map((policy) => addPolicy(scope, names, target.ref, policy));
  return added.at(-1)?.ref ?? '';
}

function policies(settings: Settings, names: Names, apis: Apis): Policy[] {
  return [
    {
      id: 'Out',
      name: 'scale-out',
      steps: [[0, 1], [1, 2], [2, 4], [4, 10], [10, 100]],
      cooldown: COUNTED_AFTER,
      alarm: {
        description: 'Tasks are missing: adds them.',
        queries: missingTasks(settings, names),
        threshold: 0.01,
        evaluationPeriods: 1,
      },
    },
    {
      id: 'In',
      name: 'scale-in',
      steps: [[0, -1], [1, -2], [3, -4]],
      cooldown: 300,
      aggregation: 'Minimum',
      alarm: {
        description: 'Tasks are spare: takes them.',
        queries: spareTasks(settings, names),
        threshold: 1,
        period: 120,
        evaluationPeriods: 3,
      },
    },
    {
      id: 'FromZero',
      name: 'waiting',
      steps: [[0, 1]],
      cooldown: 900,
      alarm: {
        description: 'Messages wait for the first task: starts it.',
        queries: waitingForNobody(names, apis),
        threshold: 1,
        period: 180,
        evaluationPeriods: 2,
        datapointsToAlarm: 1,
      },
    },
  ];
}

function addPolicy(scope: Construct, names: Names, scalingTargetId: string, { id, name, steps, cooldown, aggregation, alarm }: Policy): CfnScalingPolicy {
  const alarmName = names.within(`{prefix}-${name}`);
  const policy = new CfnScalingPolicy(scope, id, {
    policyName: alarmName,
    policyType: 'StepScaling',
    scalingTargetId,
    stepScalingPolicyConfiguration: {
      adjustmentType: 'ChangeInCapacity',
      cooldown,
      ...(aggregation === undefined ? {} : { metricAggregationType: aggregation }),
      stepAdjustments: steps.map(([from, scalingAdjustment], index) => {
        const [to] = steps[index + 1] ?? [];
        return { ...(index === 0 ? {} : { metricIntervalLowerBound: from }), ...(to === undefined ? {} : { metricIntervalUpperBound: to }), scalingAdjustment };
      }),
    },
  });
  addAlarm(scope, id, { ...alarm, name: alarmName, description: `${alarm.description} docs/operations.md#${name}`, actions: [policy.ref] });
  return policy;
}
