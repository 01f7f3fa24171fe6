// The one KMS key of the deployment: for the queues, the topics and the logs.
import { Aws, RemovalPolicy } from 'aws-cdk-lib';
import { Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import type { Names } from './names.ts';

/** The actions that a sender needs, and a reader. */
export const SEND_ACTIONS = ['kms:Decrypt', 'kms:GenerateDataKey'];
export const READ_ACTIONS = ['kms:Decrypt'];

/** A key that rotates, kept when the stack goes: without it what is in a kept queue could never be read. */
export function addKey(scope: Construct, names: Names): IKey {
  const key = new Key(scope, 'Key', {
    description: names.within('{prefix}: queues, topics and logs'),
    enableKeyRotation: true,
    removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
  });
  key.addToResourcePolicy(
    new PolicyStatement({
      effect: Effect.ALLOW,
      principals: [new ServicePrincipal(names.within('logs.${AWS::Region}.amazonaws.com'))],
      actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:Describe*'],
      resources: ['*'],
      conditions: {
        ArnLike: { 'kms:EncryptionContext:aws:logs:arn': names.within('arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/longshore/{prefix}/*') },
      },
    }),
  );
  key.addToResourcePolicy(
    new PolicyStatement({
      effect: Effect.ALLOW,
      principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
      actions: SEND_ACTIONS,
      resources: ['*'],
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    }),
  );
  return key;
}
