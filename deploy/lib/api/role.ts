// The one role by which both APIs write: it may send to the queue and use its key, and nothing else.
import { Aws } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { SEND_ACTIONS } from '../longshore_key.ts';

/** Makes the role; SQS asks KMS in the caller's name, so without the key of an encrypted queue every send fails. */
export function addApiRole(scope: Construct, queue: IQueue): Role {
  const send = new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [queue.queueArn] });
  const encrypt = (keyArn: string) =>
    new PolicyStatement({
      actions: SEND_ACTIONS,
      resources: [keyArn],
      conditions: { StringEquals: { 'kms:ViaService': `sqs.${Aws.REGION}.amazonaws.com` } },
    });
  const key = queue.encryptionMasterKey;
  return new Role(scope, 'ApiRole', {
    // Without a condition on the account or the API: API Gateway tells neither when it takes the role of an integration, and with one
    // every request fails. docs/security.md has the sources.
    assumedBy: new ServicePrincipal('apigateway.amazonaws.com'),
    inlinePolicies: { Send: new PolicyDocument({ statements: [send, ...(key === undefined ? [] : [encrypt(key.keyArn)])] }) },
  });
}
