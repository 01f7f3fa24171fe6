// Scaling on the work in the queue: a step out, a step in, and one from zero.
import { CfnScalableTarget, CfnScalingPolicy } from 'aws-cdk-lib/aws-applicationautoscaling';
import type { CfnService } from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import { addAlarm, type AlarmProps } from '../alarm.ts';
import { LINE_SECONDS, type Load, type Metric, missingInBurst, missingTasks, type ServiceNames, spareTasks, waitingForNobody } from '../metrics.ts';
import { ofQueue } from './of_queue.ts';
import type { ScaleOutBy } from './props.ts';

interface Policy {
  readonly id: string;
  readonly name: string;
  /** From how far above the alarm's threshold, what changes; each ends where the next begins, and the first has no lower end. */
  readonly steps: readonly (readonly [from: number, change: number])[];
  readonly cooldown: number;
  /** What counts of several data points. */
  readonly aggregation?: 'Minimum' | 'Maximum';
  /** Those that invoke it. */
  readonly alarms: readonly ScalingAlarm[];
}

interface ScalingAlarm extends Omit<AlarmProps, 'actions'> {
  readonly id: string;
  /** Its section in docs/alarms.md. */
  readonly section: string;
}

/**
 * Seconds until a new task is among the tasks, even when that metric comes two minutes late. For so long Application Auto Scaling takes
 * what it has added as already there, and adds only what is missing beyond it.
 */
const COUNTED_AFTER = 240;

/** What scales, and by what. */
export interface ScalingProps {
  readonly prefix: string;
  readonly service: CfnService;
  readonly names: ServiceNames;
  /** What each queue is to the fleet, by the name of the queue. */
  readonly loads: ReadonlyMap<string, Load>;
  readonly arrivals: readonly Metric[];
  readonly minTasks: number;
  readonly maxTasks: number;
  readonly by: ScaleOutBy;
}

/** Lets the service scale; returns the policy that adds one task, for an alarm of another kind. */
export function addScaling(scope: Construct, props: ScalingProps): string {
  const target = new CfnScalableTarget(scope, 'Capacity', {
    serviceNamespace: 'ecs',
    scalableDimension: 'ecs:service:DesiredCount',
    resourceId: `service/${props.names.clusterName}/${props.names.serviceName}`,
    minCapacity: props.minTasks,
    maxCapacity: props.maxTasks,
  });
  target.addResourceDependency(props.service);
  const added = policies(props).map((policy) => addPolicy(scope, props.prefix, target.ref, policy));
  return added.at(-1)?.ref ?? '';
}

function policies({ names, loads, arrivals, minTasks, by }: ScalingProps): Policy[] {
  const all = [...loads.values()];
  return [
    ...[...loads].map(([queue, load], index) => scaleOut(index === 0 ? '' : queue, load, names, by)),
    {
      id: 'In',
      name: 'scale-in',
      steps: [[0, -1], [1, -2], [3, -4]],
      cooldown: 300,
      aggregation: 'Minimum',
      alarms: [
        {
          ...ofQueue('In', 'scale-in', ''),
          description: 'Tasks are spare: takes them.',
          queries: spareTasks(all, names, minTasks),
          threshold: 1,
          period: 120,
          evaluationPeriods: 3,
        },
      ],
    },
    {
      id: 'FromZero',
      name: 'waiting',
      steps: [[0, 1]],
      cooldown: 900,
      alarms: [
        {
          ...ofQueue('FromZero', 'waiting', ''),
          description: 'Messages wait for the first task: starts it.',
          queries: waitingForNobody(all, names, arrivals),
          threshold: 1,
          period: 180,
          evaluationPeriods: 2,
          datapointsToAlarm: 1,
        },
      ],
    },
  ];
}

/**
 * Each queue asks for itself; Application Auto Scaling takes the largest of what is asked for at once.
 *
 * Two alarms ask, of which one sees bursts within seconds, unless the workers order for these themselves. They invoke one policy, whose
 * cooldown keeps them from adding up.
 */
function scaleOut(queue: string, load: Load, names: ServiceNames, by: ScaleOutBy): Policy {
  const threshold = 0.01;
  const burst: ScalingAlarm = {
    ...ofQueue('Burst', 'burst', queue),
    description: 'Tasks are missing, as the workers see it: adds them.',
    queries: missingInBurst(load),
    threshold,
    period: LINE_SECONDS,
    evaluationPeriods: 2,
  };
  const usual = ofQueue('Out', 'scale-out', queue);
  return {
    id: usual.id,
    name: usual.name,
    steps: [[0, 1], [1, 2], [2, 4], [4, 10], [10, 100]],
    cooldown: COUNTED_AFTER,
    aggregation: 'Maximum',
    alarms: [
      {
        ...usual,
        description: 'Tasks are missing: adds them.',
        queries: missingTasks(load, names),
        threshold,
        evaluationPeriods: 1,
      },
      ...(by === 'workers' ? [] : [burst]),
    ],
  };
}

function addPolicy(scope: Construct, prefix: string, scalingTargetId: string, { id, name, steps, cooldown, aggregation, alarms }: Policy): CfnScalingPolicy {
  const policy = new CfnScalingPolicy(scope, id, {
    policyName: `${prefix}-${name}`,
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
  for (const { id, name, section, ...alarm } of alarms) {
    addAlarm(scope, id, { ...alarm, name: `${prefix}-${name}`, description: `${alarm.description} docs/alarms.md#${section}`, actions: [policy.ref] });
  }
  return policy;
}
