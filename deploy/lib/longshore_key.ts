// The one KMS key of a deployment: for its queues, topics and logs.
import { Aws, RemovalPolicy } from 'aws-cdk-lib';
import { Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

/** What publishes alarms, and deployments that failed, to a topic. */
export const ALARMING = ['cloudwatch.amazonaws.com', 'events.amazonaws.com'];

/** The actions that a sender needs, and a worker. */
export const SEND_ACTIONS = ['kms:Decrypt', 'kms:GenerateDataKey'];

/** What a key is for. */
export interface LongshoreKeyProps {
  /** The first part of all names, such as `orders-prod`: the key serves the log groups `/longshore/{prefix}/*`, and the vended ones of that name. */
  readonly prefix: string;
  /**
   * What becomes of the key when its stack goes. Without it, what is in a kept queue could never be read.
   * @default RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
   */
  readonly removalPolicy?: RemovalPolicy;
}

/** A key that rotates, which CloudWatch Logs may use for the log groups of a deployment, and CloudWatch and EventBridge for alarms to a topic. */
export class LongshoreKey extends Key {
  constructor(scope: Construct, id: string, { prefix, removalPolicy = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE }: LongshoreKeyProps) {
    super(scope, id, { description: `${prefix}: queues, topics and logs`, enableKeyRotation: true, removalPolicy });
    this.addToResourcePolicy(
      new PolicyStatement({
        effect: Effect.ALLOW,
        principals: [new ServicePrincipal(`logs.${Aws.REGION}.amazonaws.com`)],
        actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:Describe*'],
        resources: ['*'],
        conditions: {
          ArnLike: { 'kms:EncryptionContext:aws:logs:arn': ['', '/aws/vendedlogs'].map((vended) => `arn:${Aws.PARTITION}:logs:${Aws.REGION}:${Aws.ACCOUNT_ID}:log-group:${vended}/longshore/${prefix}/*`) },
        },
      }),
    );
    this.addToResourcePolicy(
      new PolicyStatement({
        effect: Effect.ALLOW,
        principals: ALARMING.map((service) => new ServicePrincipal(service)),
        actions: SEND_ACTIONS,
        resources: ['*'],
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    );
  }
}
