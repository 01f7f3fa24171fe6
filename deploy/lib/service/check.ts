// What is wrong between properties that are right by themselves, said before anything is made.
import { Token } from 'aws-cdk-lib';
import { nameOf } from './environment.ts';
import type { LongshoreServiceProps } from './props.ts';

/** An alarm takes ten metrics; that of scaling in has two of each queue, and the tasks. */
const QUEUES_MAX = 4;
const METRICS_MAX = 10;
/** That of waking has the tasks, and what a worker prints. */
const OF_TASKS = 2;
const NAME = /^[a-z][a-z0-9_]{0,39}$/;

/** Throws an `Error` that names what is wrong, and what to do. */
export function check({ queues, handlers = [], arrivals = [], minTasks = 1, maxTasks = 10 }: LongshoreServiceProps): void {
  const problems: string[] = [];
  if (queues.length === 0 || queues.length > QUEUES_MAX) problems.push(`queues: a service takes 1 to ${QUEUES_MAX} queues, not ${queues.length}: make another service for the others`);
  const names = queues.map(nameOf);
  for (const name of names) if (!NAME.test(name)) problems.push(`queues: the name ${JSON.stringify(name)} must be lower-case letters, digits and underscores, a letter first`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) problems.push(`queues: two are called ${JSON.stringify(twice)}: give each a name of its own`);
  const unhandled = queues.filter(({ handler }) => handler === undefined).map(nameOf);
  if (handlers.length === 0 && unhandled.length > 0) problems.push(`queues: ${unhandled.join(', ')} has no handler: give it one, or a container in handlers`);
  if (queues.length + arrivals.length + OF_TASKS > METRICS_MAX) problems.push(`arrivals: ${arrivals.length} are too many: with ${queues.length} queues an alarm has room for ${METRICS_MAX - OF_TASKS - queues.length}`);
  if (!Token.isUnresolved(minTasks) && !Token.isUnresolved(maxTasks) && minTasks > maxTasks) problems.push(`minTasks is ${minTasks}, which is more than maxTasks, ${maxTasks}`);
  if (problems.length > 0) throw new Error(`a LongshoreService cannot work so:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
}
