// The service-linked role by which ECS acts in an account, for accounts that do not have it yet.
import { CfnCondition, type CfnResource, Fn, RemovalPolicy, type Stack, Token } from 'aws-cdk-lib';
import { CfnServiceLinkedRole } from 'aws-cdk-lib/aws-iam';
import type { LongshoreService } from '../lib/index.ts';
import type { Settings } from './settings.ts';

/** Makes the role before the cluster, where the settings say so. An account has one for all clusters, so it stays when the stack goes. */
export function addEcsRole(stack: Stack, service: LongshoreService, { ECS_ROLE }: Settings): void {
  const cluster = service.node.tryFindChild('Cluster') as CfnResource | undefined;
  const isAsked = Token.isUnresolved(ECS_ROLE);
  if (cluster === undefined || (!isAsked && ECS_ROLE === 'there')) return;
  const role = new CfnServiceLinkedRole(stack, 'EcsServiceRole', { awsServiceName: 'ecs.amazonaws.com' });
  role.applyRemovalPolicy(RemovalPolicy.RETAIN);
  if (!isAsked) return cluster.addResourceDependency(role);
  const isMade = new CfnCondition(stack, 'MakesEcsRole', { expression: Fn.conditionEquals(ECS_ROLE, 'make') });
  role.cfnOptions.condition = isMade;
  // A reference orders as `DependsOn` does, which cannot name what may not be there.
  cluster.addMetadata('After', Fn.conditionIf(isMade.logicalId, role.ref, ECS_ROLE));
}
