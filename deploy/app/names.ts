// What everything is called: `{project}-{stage}-…`.
import { Fn, Token } from 'aws-cdk-lib';
import { parameterName } from './parameter_name.ts';
import type { Settings } from './settings.ts';

/** The stacks, in the order in which they are made. */
export const STACKS = ['queue', 'api', 'service'] as const;

/** Those that these settings want. */
export function kindsOf({ APIS }: Settings): StackKind[] {
  return STACKS.filter((kind) => kind !== 'api' || APIS !== 'none');
}

/** One of them. */
export type StackKind = (typeof STACKS)[number];

/** The name of a stack. */
export function stackName({ PROJECT_NAME, STAGE }: Settings, kind: StackKind): string {
  return `${PROJECT_NAME}-${STAGE}-${kind}-stack`;
}

/** The first part of every name: CloudFormation fills in what is not known yet. */
export function prefixOf({ PROJECT_NAME, STAGE }: Settings): string {
  if (!Token.isUnresolved(PROJECT_NAME)) return `${PROJECT_NAME}-${STAGE}`;
  return Fn.sub(`\${${parameterName('PROJECT_NAME')}}-\${${parameterName('STAGE')}}`);
}
