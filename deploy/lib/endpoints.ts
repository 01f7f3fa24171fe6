// The doors by which a network without internet reaches AWS, each for the tasks alone.
import { CfnSecurityGroup, CfnVPCEndpoint } from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import type { Names } from './names.ts';
import type { Settings } from './settings.ts';
import type { NewVpc } from './vpc.ts';

/** Makes them; the images' layers come from S3. */
export function addEndpoints(scope: Construct, vpc: NewVpc, from: string, settings: Settings, names: Names): void {
  const serviceName = (service: string) => names.within(`com.amazonaws.\${AWS::Region}.${service}`);
  new CfnVPCEndpoint(scope, 'S3', { vpcId: vpc.id, serviceName: serviceName('s3'), vpcEndpointType: 'Gateway', routeTableIds: [vpc.routeTableId] });
  const group = new CfnSecurityGroup(scope, 'EndpointsGroup', {
    vpcId: vpc.id,
    groupDescription: names.within('{prefix} endpoints'),
    securityGroupIngress: [{ ipProtocol: 'tcp', fromPort: 443, toPort: 443, sourceSecurityGroupId: from, description: 'HTTPS from the tasks' }],
  });
  for (const service of services(settings)) {
    new CfnVPCEndpoint(scope, `Endpoint${service.replaceAll('.', '')}`, {
      vpcId: vpc.id,
      serviceName: serviceName(service),
      vpcEndpointType: 'Interface',
      privateDnsEnabled: true,
      subnetIds: vpc.subnetIds,
      securityGroupIds: [group.attrGroupId],
    });
  }
}

function services(settings: Settings): string[] {
  const always = ['sqs', 'ecr.api', 'ecr.dkr', 'logs'];
  return [...always, ...(settings.NOTIFY === 'none' ? [] : ['sns']), ...(settings.COLLECTOR_IMAGE ? ['xray'] : [])];
}
