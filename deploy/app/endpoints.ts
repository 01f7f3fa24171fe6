// The doors by which a network without internet reaches AWS, each for the tasks alone.
import { Aws } from 'aws-cdk-lib';
import { CfnSecurityGroup, CfnVPCEndpoint } from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import type { LongshoreService } from '../lib/index.ts';
import { detailsOf } from './details.ts';
import type { Settings } from './settings.ts';
import type { NewVpc } from './vpc.ts';

/** Services that are reached by a route instead of an address. */
const GATEWAYS = ['s3', 'dynamodb'];

/** Makes them; the images' layers come from S3. A task that starts before them could not pull its image. */
export function addEndpoints(scope: Construct, vpc: NewVpc, { service, connections }: LongshoreService, settings: Settings, prefix: string): void {
  const serviceName = (name: string) => `com.amazonaws.${Aws.REGION}.${name}`;
  const group = new CfnSecurityGroup(scope, 'EndpointsGroup', {
    vpcId: vpc.id,
    groupDescription: `${prefix} endpoints`,
    securityGroupIngress: connections.securityGroups.map(({ securityGroupId }) => ({
      ipProtocol: 'tcp',
      fromPort: 443,
      toPort: 443,
      sourceSecurityGroupId: securityGroupId,
      description: 'HTTPS from the tasks',
    })),
  });
  const { endpoints = [], policies = {} } = detailsOf(settings).network ?? {};
  const policyOf = (name: string) => (policies[name] === undefined ? {} : { policyDocument: policies[name] });
  const gateways = GATEWAYS.filter((name) => name === 's3' || endpoints.includes(name)).map(
    (name) =>
      new CfnVPCEndpoint(scope, name === 's3' ? 'S3' : `Gateway${name}`, {
        vpcId: vpc.id,
        serviceName: serviceName(name),
        vpcEndpointType: 'Gateway',
        routeTableIds: [vpc.routeTableId],
        ...policyOf(name),
      }),
  );
  const doors = services(settings, endpoints).map(
    (name) =>
      new CfnVPCEndpoint(scope, `Endpoint${name.replaceAll(/[.-]/g, '')}`, {
        vpcId: vpc.id,
        serviceName: serviceName(name),
        vpcEndpointType: 'Interface',
        privateDnsEnabled: true,
        subnetIds: vpc.subnetIds,
        securityGroupIds: [group.attrGroupId],
        ...policyOf(name),
      }),
  );
  service.node.addDependency(...gateways, ...doors);
}

function services(settings: Settings, more: readonly string[]): string[] {
  const always = ['sqs', 'ecr.api', 'ecr.dkr', 'logs'];
  const shell = detailsOf(settings).task?.executeCommand === true ? ['ssmmessages'] : [];
  const scaling = settings.SCALE_OUT === 'workers' ? ['ecs'] : [];
  const all = [...always, ...(settings.NOTIFY === 'none' ? [] : ['sns']), ...(settings.COLLECTOR_IMAGE ? ['xray'] : []), ...shell, ...scaling, ...more];
  return [...new Set(all)].filter((name) => !GATEWAYS.includes(name));
}
