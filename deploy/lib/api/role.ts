// The one role by which both APIs write: it may send to the queue and use its key, and nothing else.
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import { SEND_ACTIONS } from '../key.ts';
import type { Names } from '../names.ts';
import type { QueueRef } from '../queues.ts';

/** Makes the role; SQS asks KMS in the caller's name, so without the key every send fails. */
export function addApiRole(scope: Construct, names: Names, queue: QueueRef, key: IKey): Role {
  const send = new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [queue.arn] });
  const encrypt = new PolicyStatement({
    actions: SEND_ACTIONS,
    resources: [key.keyArn],
    conditions: { StringEquals: { 'kms:ViaService': names.within('sqs.${AWS::Region}.amazonaws.com') } },
  });
  return new Role(scope, 'ApiRole', {
    // Without a condition on the account: that API Gateway tells it when it takes a role is documented nowhere, and if it did not, every
    // request would fail. API Gateway takes no role of another account than the API's.
    assumedBy: new ServicePrincipal('apigateway.amazonaws.com'),
    inlinePolicies: { Send: new PolicyDocument({ statements: [send, encrypt] }) },
  });
}
