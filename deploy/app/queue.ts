// The first stack: the queue with its DLQ, the topics, and the key of all of them; or what is there already in their place.
import { CfnWaitConditionHandle, Duration, RemovalPolicy, type Stack } from 'aws-cdk-lib';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { type IQueue, Queue } from 'aws-cdk-lib/aws-sqs';
import { LongshoreKey, LongshoreQueue } from '../lib/index.ts';
import { secondsOfDays } from './arithmetic.ts';
import { type Details, detailsOf } from './details.ts';
import type { Settings } from './settings.ts';
import type { Output } from './stacks.ts';
import { subscribe } from './subscriptions.ts';
import { addTopics } from './topics.ts';

/** Makes them. The names of the queues and topics are known to the other stacks; the key's ARN is not. */
export function addQueue(stack: Stack, settings: Settings, prefix: string): Record<string, Output> {
  const details = detailsOf(settings);
  const removalPolicy = settings.DATA === 'keep' ? RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE : RemovalPolicy.DESTROY;
  const arn = details.existing?.key;
  const key = arn === undefined ? new LongshoreKey(stack, 'Key', { prefix, removalPolicy }) : Key.fromKeyArn(stack, 'Key', arn);
  const { queue, dlq } = queuesOf(stack, settings, details, { prefix, key, removalPolicy });
  addTopics(stack, settings, prefix, key);
  const { queue: madeBefore, topic, alarmTopic } = details.existing ?? {};
  // CloudFormation takes no template without a resource; this one is nothing but a name.
  if ([arn, madeBefore, topic, alarmTopic].every((given) => given !== undefined)) new CfnWaitConditionHandle(stack, 'Nothing');
  return { QueueUrl: { value: queue.queueUrl }, DlqUrl: { value: dlq?.queueUrl }, KeyArn: { value: key.keyArn, exported: 'key' } };
}

interface Making {
  readonly prefix: string;
  readonly key: IKey;
  readonly removalPolicy: RemovalPolicy;
}

function queuesOf(stack: Stack, settings: Settings, { existing = {}, subscriptions = [] }: Details, { prefix, key, removalPolicy }: Making): { queue: IQueue; dlq: IQueue | undefined } {
  if (existing.queue !== undefined) {
    const dlq = existing.dlq === undefined ? undefined : Queue.fromQueueArn(stack, 'Dlq', existing.dlq);
    return { queue: Queue.fromQueueArn(stack, 'Queue', existing.queue), dlq };
  }
  const { queue, deadLetterQueue } = new LongshoreQueue(stack, 'Default', {
    prefix,
    encryptionKey: key,
    fifo: settings.FIFO === 'yes',
    retention: Duration.seconds(secondsOfDays(stack, settings.QUEUE_RETENTION)),
    visibility: Duration.seconds(settings.VISIBILITY),
    maxReceives: settings.DLQ_RETRIES,
    removalPolicy,
  });
  subscribe(stack, queue, key, subscriptions);
  return { queue, dlq: deadLetterQueue };
}
