// A name of one's own in front of an API, by mutual TLS where there is a trust store.
import { CfnBasePathMapping, CfnDomainName as CfnRestDomainName } from 'aws-cdk-lib/aws-apigateway';
import { CfnApiMapping, CfnDomainName as CfnHttpDomainName, type CfnStage } from 'aws-cdk-lib/aws-apigatewayv2';
import type { Construct } from 'constructs';
import type { ApiDomain } from './options.ts';

const TLS = 'TLS_1_2';

/** Gives the name to a stage of a REST API; where the name's record must point. */
export function addRestDomain(scope: Construct, { name, certificateArn, trustStore }: ApiDomain, restApiId: string, stage: string): string {
  const domain = new CfnRestDomainName(scope, 'RestDomain', {
    domainName: name,
    regionalCertificateArn: certificateArn,
    endpointConfiguration: { types: ['REGIONAL'] },
    securityPolicy: TLS,
    ...mutual(trustStore),
  });
  new CfnBasePathMapping(scope, 'RestDomainMapping', { domainName: domain.ref, restApiId, stage });
  return domain.attrRegionalDomainName;
}

/** Gives the name to the stage of an HTTP API; where the name's record must point. */
export function addHttpDomain(scope: Construct, { name, certificateArn, trustStore }: ApiDomain, apiId: string, stage: CfnStage): string {
  const domain = new CfnHttpDomainName(scope, 'HttpDomain', {
    domainName: name,
    domainNameConfigurations: [{ certificateArn, endpointType: 'REGIONAL', securityPolicy: TLS }],
    ...mutual(trustStore),
  });
  new CfnApiMapping(scope, 'HttpDomainMapping', { apiId, domainName: domain.ref, stage: stage.ref });
  return domain.attrRegionalDomainName;
}

const mutual = (trustStore: string | undefined) => (trustStore === undefined ? {} : { mutualTlsAuthentication: { truststoreUri: trustStore } });
