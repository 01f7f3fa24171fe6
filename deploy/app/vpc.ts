// A VPC of its own for the tasks: two subnets in two zones, without internet or with it.
import { Fn } from 'aws-cdk-lib';
import { CfnInternetGateway, CfnRoute, CfnRouteTable, CfnSubnet, CfnSubnetRouteTableAssociation, CfnVPC, CfnVPCGatewayAttachment } from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';

/** Each subnet has room for more addresses than the largest `MAX_TASKS` has tasks: a deployment runs twice as many for a while, in two subnets. */
const CIDR = '10.0.0.0/20';
const SUBNET_CIDRS = ['10.0.0.0/21', '10.0.8.0/21'];

/** What was made. */
export interface NewVpc {
  readonly id: string;
  readonly subnetIds: string[];
  readonly routeTableId: string;
  /** What leads out of it: a task that starts before has no way to its image. */
  readonly ways: Construct[];
}

/** Makes it. */
export function addVpc(scope: Construct, kind: 'private' | 'public', prefix: string): NewVpc {
  const { ref: id } = new CfnVPC(scope, 'Vpc', {
    cidrBlock: CIDR,
    enableDnsSupport: true,
    enableDnsHostnames: true,
    tags: [{ key: 'Name', value: prefix }],
  });
  const { ref: routeTableId } = new CfnRouteTable(scope, 'Routes', { vpcId: id });
  const internet = kind === 'public' ? [addInternet(scope, id, routeTableId)] : [];
  const subnets = SUBNET_CIDRS.map((cidrBlock, zone) => addSubnet(scope, zone, id, cidrBlock, routeTableId));
  return { id, subnetIds: subnets.map((subnet) => subnet.id), routeTableId, ways: [...internet, ...subnets.map(({ routes }) => routes)] };
}

function addSubnet(scope: Construct, zone: number, vpcId: string, cidrBlock: string, routeTableId: string): { id: string; routes: Construct } {
  const { ref: id } = new CfnSubnet(scope, `Subnet${zone}`, {
    vpcId,
    cidrBlock,
    availabilityZone: Fn.select(zone, Fn.getAzs()),
    mapPublicIpOnLaunch: false,
  });
  return { id, routes: new CfnSubnetRouteTableAssociation(scope, `Subnet${zone}Routes`, { subnetId: id, routeTableId }) };
}

/** Every task in it has an address of its own; nothing may come in. */
function addInternet(scope: Construct, vpcId: string, routeTableId: string): Construct {
  const gateway = new CfnInternetGateway(scope, 'Internet');
  const attached = new CfnVPCGatewayAttachment(scope, 'InternetAttached', { vpcId, internetGatewayId: gateway.ref });
  const route = new CfnRoute(scope, 'InternetRoute', { routeTableId, destinationCidrBlock: '0.0.0.0/0', gatewayId: gateway.ref });
  route.addResourceDependency(attached);
  return route;
}
