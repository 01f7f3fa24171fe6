// Where tasks run: a new VPC without internet, a new VPC with public subnets, or one that is there already.
import { CfnSecurityGroup } from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import { addEndpoints } from './endpoints.ts';
import type { Names } from './names.ts';
import type { Settings } from './settings.ts';
import { addVpc } from './vpc.ts';

/** What a task needs to know of its network. */
export interface Network {
  readonly subnetIds: string[];
  readonly securityGroupIds: string[];
  readonly publicIp: 'ENABLED' | 'DISABLED';
}

/** Makes what is not there yet. */
export function addNetwork(scope: Construct, settings: Settings, names: Names): Network {
  if (settings.NETWORK === 'existing') return existing(scope, settings, names);
  const vpc = addVpc(scope, settings.NETWORK, names);
  const group = httpsOut(scope, vpc.id, names);
  if (settings.NETWORK === 'private') addEndpoints(scope, vpc, group, settings, names);
  return { subnetIds: vpc.subnetIds, securityGroupIds: [group], publicIp: settings.NETWORK === 'public' ? 'ENABLED' : 'DISABLED' };
}

function existing(scope: Construct, settings: Settings, names: Names): Network {
  const groups = settings.SECURITY_GROUP_IDS ? list(settings.SECURITY_GROUP_IDS) : [httpsOut(scope, settings.VPC_ID ?? '', names)];
  return { subnetIds: list(settings.SUBNET_IDS), securityGroupIds: groups, publicIp: 'DISABLED' };
}

const list = (text: string | undefined) => (text ?? '').split(',');

/** Nothing comes in: the worker asks for its messages. */
function httpsOut(scope: Construct, vpcId: string, names: Names): string {
  return new CfnSecurityGroup(scope, 'WorkerGroup', {
    vpcId,
    groupDescription: names.within('{prefix} tasks'),
    securityGroupEgress: [{ ipProtocol: 'tcp', fromPort: 443, toPort: 443, cidrIp: '0.0.0.0/0', description: 'HTTPS out' }],
  }).attrGroupId;
}
