// What the details say of the task: what it may do more, its disk, its shell and its log.
import { Size } from 'aws-cdk-lib';
import { ContainerImage } from 'aws-cdk-lib/aws-ecs';
import { ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { LongshoreService, LongshoreServiceProps } from '../lib/index.ts';
import type { Details } from './details.ts';

/** The properties of the service. */
export function taskOf({ task = {} }: Details): Partial<LongshoreServiceProps> {
  const { ephemeralStorage, executeCommand, logBuffer, logRouter } = task;
  return {
    ...(ephemeralStorage === undefined ? {} : { ephemeralStorage }),
    ...(executeCommand === undefined ? {} : { enableExecuteCommand: executeCommand }),
    ...(logBuffer === undefined ? {} : { logBuffer: Size.mebibytes(logBuffer) }),
    ...(logRouter === undefined ? {} : { logRouter: { image: ContainerImage.fromRegistry(logRouter.image ?? ''), options: logRouter.options ?? {} } }),
  };
}

/** Lets its roles do more. */
export function grantDetails({ taskRole, executionRole }: LongshoreService, { task = {} }: Details): void {
  const { statements = [], managedPolicies = [], secretKeys = [] } = task;
  for (const { actions = [], resources = [], conditions } of statements) {
    taskRole.addToPrincipalPolicy(new PolicyStatement({ actions: [...actions], resources: [...resources], ...(conditions === undefined ? {} : { conditions }) }));
  }
  managedPolicies.forEach((arn, index) => taskRole.addManagedPolicy(ManagedPolicy.fromManagedPolicyArn(taskRole, `Managed${index}`, arn)));
  if (secretKeys.length > 0) executionRole.addToPrincipalPolicy(new PolicyStatement({ actions: ['kms:Decrypt'], resources: [...secretKeys] }));
}
