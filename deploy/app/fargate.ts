// The pairs of CPU and memory that Fargate takes: for the check of the settings, and as rules of the template that asks for both; with them
// the rules for the size of the fleet.
import { CfnRule, Fn, type Stack } from 'aws-cdk-lib';
import { parameterName } from './parameter_name.ts';

/** MiB of memory that Fargate takes for so many CPU units, and in which steps. */
const MEMORY_FOR_CPU: Readonly<Record<number, { readonly min: number; readonly max: number; readonly step: number }>> = {
  256: { min: 512, max: 2048, step: 512 },
  512: { min: 1024, max: 4096, step: 1024 },
  1024: { min: 2048, max: 8192, step: 1024 },
  2048: { min: 4096, max: 16384, step: 1024 },
  4096: { min: 8192, max: 30720, step: 1024 },
  8192: { min: 16384, max: 61440, step: 4096 },
  16384: { min: 32768, max: 122880, step: 8192 },
};

/** Every amount of memory, in MiB, for so many CPU units. */
export function memoryFor(cpu: number): number[] {
  const { min, max, step } = MEMORY_FOR_CPU[cpu] ?? { min: 0, max: -1, step: 1 };
  const all = Array.from({ length: (max - min) / step + 1 }, (_, index) => min + index * step);
  return all.filter((memory) => cpu !== 256 || memory !== 1536);
}

/** The same in words. */
export function memorySteps(cpu: number): string {
  const { min, max, step } = MEMORY_FOR_CPU[cpu] ?? { min: 0, max: 0, step: 0 };
  return `${min} to ${max} in steps of ${step}`;
}

/**
 * The largest fleet whose `MinTasks` rules hold: each size wants one of its own, since CloudFormation knows no order of numbers. For all
 * sizes they would not fit into a template, even by digits.
 */
const SIZES_MAX = 10;

/** Lets CloudFormation refuse a `MinTasks` above `MaxTasks` before it makes anything; of larger fleets Application Auto Scaling refuses it later. */
export function addSizeRules(stack: Stack): void {
  for (let most = 1; most <= SIZES_MAX; most++) {
    new CfnRule(stack, `TasksUpTo${most}`, {
      ruleCondition: Fn.conditionEquals(Fn.ref(parameterName('MAX_TASKS')), String(most)),
      assertions: [{ assert: Fn.conditionContains(Array.from({ length: most + 1 }, (_, size) => String(size)), Fn.ref(parameterName('MIN_TASKS'))), assertDescription: 'MinTasks must be at most MaxTasks.' }],
    });
  }
}

/** Lets CloudFormation refuse other pairs before it makes anything. */
export function addPairRules(stack: Stack): void {
  for (const cpu of Object.keys(MEMORY_FOR_CPU).map(Number)) {
    new CfnRule(stack, `MemoryFor${cpu}`, {
      ruleCondition: Fn.conditionEquals(Fn.ref(parameterName('CPU')), String(cpu)),
      assertions: [{ assert: Fn.conditionContains(memoryFor(cpu).map(String), Fn.ref(parameterName('MEMORY'))), assertDescription: `With Cpu ${cpu} Fargate takes Memory of ${memorySteps(cpu)}.` }],
    });
  }
}
