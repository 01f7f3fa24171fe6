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
    // Without a condition on the account: that API Gateway tells it when it takes a role is documented nowhere, and if it did not, every
    // request would fail. API Gateway takes no role of another account than the API's.
    assumedBy: new ServicePrincipal('apigateway.amazonaws.com'),
    inlinePolicies: { Send: new PolicyDocument({ statements: [send, ...(key === undefined ? [] : [encrypt(key.keyArn)])] }) },
  });
}
