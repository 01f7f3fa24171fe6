// Where tasks run: a new VPC without internet, a new VPC with public subnets, or one that is there already.
import { Fn, type Stack } from 'aws-cdk-lib';
import { type ISubnet, SecurityGroup, Subnet, Vpc } from 'aws-cdk-lib/aws-ec2';
import type { LongshoreService, LongshoreServiceProps } from '../lib/index.ts';
import { detailsOf } from './details.ts';
import { addEndpoints } from './endpoints.ts';
import type { Settings } from './settings.ts';
import { addVpc } from './vpc.ts';

/** A network for a service. */
export interface Network {
  /** What the service is told of it. */
  readonly place: Pick<LongshoreServiceProps, 'vpc' | 'vpcSubnets' | 'securityGroups' | 'assignPublicIp'>;
  /** Adds what depends on the service that runs in it. */
  readonly serve: (service: LongshoreService) => void;
}

/** Makes what is not there yet. */
export function addNetwork(stack: Stack, settings: Settings, prefix: string): Network {
  if (settings.NETWORK === 'existing') return existing(stack, settings);
  const vpc = addVpc(stack, settings.NETWORK, prefix);
  return {
    place: { ...placeIn(stack, vpc.id, vpc.subnetIds), assignPublicIp: settings.NETWORK === 'public' },
    serve: (service) => {
      if (settings.NETWORK === 'private') addEndpoints(stack, vpc, service, settings, prefix);
      service.service.node.addDependency(...vpc.ways);
    },
  };
}

function existing(stack: Stack, settings: Settings): Network {
  const groups = settings.SECURITY_GROUP_IDS && list(settings.SECURITY_GROUP_IDS).map((id, index) => SecurityGroup.fromSecurityGroupId(stack, `Group${index}`, id));
  return {
    place: { ...placeIn(stack, settings.VPC_ID ?? '', list(settings.SUBNET_IDS)), ...(groups ? { securityGroups: groups } : {}), assignPublicIp: detailsOf(settings).network?.publicIp === true },
    serve: () => undefined,
  };
}

function placeIn(stack: Stack, vpcId: string, subnetIds: readonly string[]): Network['place'] {
  const subnets: ISubnet[] = subnetIds.map((id, index) => Subnet.fromSubnetId(stack, `TaskSubnet${index}`, id));
  return { vpc: Vpc.fromVpcAttributes(stack, 'TaskVpc', { vpcId, availabilityZones: Fn.getAzs() }), vpcSubnets: { subnets } };
}

const list = (text: string | undefined) => (text ?? '').split(',');
