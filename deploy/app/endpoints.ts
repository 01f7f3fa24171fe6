// The doors by which a network without internet reaches AWS, each for the tasks alone.
import { Aws } from 'aws-cdk-lib';
import { CfnSecurityGroup, CfnVPCEndpoint } from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import type { LongshoreService } from '../lib/index.ts';
import type { Settings } from './settings.ts';
import type { NewVpc } from './vpc.ts';

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
  const gateway = new CfnVPCEndpoint(scope, 'S3', { vpcId: vpc.id, serviceName: serviceName('s3'), vpcEndpointType: 'Gateway', routeTableIds: [vpc.routeTableId] });
  const doors = services(settings).map(
    (name) =>
      new CfnVPCEndpoint(scope, `Endpoint${name.replaceAll('.', '')}`, {
        vpcId: vpc.id,
        serviceName: serviceName(name),
        vpcEndpointType: 'Interface',
        privateDnsEnabled: true,
        subnetIds: vpc.subnetIds,
        securityGroupIds: [group.attrGroupId],
      }),
  );
  service.node.addDependency(gateway, ...doors);
}

function services(settings: Settings): string[] {
  const always = ['sqs', 'ecr.api', 'ecr.dkr', 'logs'];
  return [...always, ...(settings.NOTIFY === 'none' ? [] : ['sns']), ...(settings.COLLECTOR_IMAGE ? ['xray'] : [])];
}
