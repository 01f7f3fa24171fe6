// Topics that send to the queue, each with its filter.
import type { Stack } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { CfnSubscription } from 'aws-cdk-lib/aws-sns';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { SEND_ACTIONS } from '../lib/longshore_key.ts';
import type { Details } from './details.ts';

/** Subscribes the queue, which lets these topics send, and its key, which SNS encrypts with. */
export function subscribe(stack: Stack, queue: Queue, key: IKey, subscriptions: NonNullable<Details['subscriptions']>): void {
  const topics = subscriptions.flatMap(({ topic }) => topic ?? []);
  if (topics.length === 0) return;
  const conditions = { ArnEquals: { 'aws:SourceArn': topics } };
  const principals = [new ServicePrincipal('sns.amazonaws.com')];
  queue.addToResourcePolicy(new PolicyStatement({ principals, actions: ['sqs:SendMessage'], resources: [queue.queueArn], conditions }));
  key.addToResourcePolicy(new PolicyStatement({ principals, actions: SEND_ACTIONS, resources: ['*'], conditions }));
  subscriptions.forEach(({ topic = '', filterPolicy, filterPolicyScope, raw }, index) => {
    new CfnSubscription(stack, `Subscription${index}`, {
      topicArn: topic,
      protocol: 'sqs',
      endpoint: queue.queueArn,
      ...(raw === undefined ? {} : { rawMessageDelivery: raw }),
      ...(filterPolicy === undefined ? {} : { filterPolicy }),
      ...(filterPolicyScope === undefined ? {} : { filterPolicyScope }),
    });
  });
}
