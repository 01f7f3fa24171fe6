// The first stack: the queue with its DLQ, the topics, and the key of all of them.
import { Duration, type Stack } from 'aws-cdk-lib';
import { LongshoreKey, LongshoreQueue } from '../lib/index.ts';
import { secondsOfDays } from './arithmetic.ts';
import type { Settings } from './settings.ts';
import type { Output } from './stacks.ts';
import { addTopics } from './topics.ts';

/** Makes them. The names of the queues and topics are known to the other stacks; the key's ARN is not. */
export function addQueue(stack: Stack, settings: Settings, prefix: string): Record<string, Output> {
  const key = new LongshoreKey(stack, 'Key', { prefix });
  const { queue, deadLetterQueue } = new LongshoreQueue(stack, 'Default', {
    prefix,
    encryptionKey: key,
    fifo: settings.FIFO === 'yes',
    retention: Duration.seconds(secondsOfDays(stack, settings.QUEUE_RETENTION)),
    visibility: Duration.seconds(settings.VISIBILITY),
    maxReceives: settings.DLQ_RETRIES,
  });
  addTopics(stack, settings, prefix, key);
  return { QueueUrl: { value: queue.queueUrl }, DlqUrl: { value: deadLetterQueue.queueUrl }, KeyArn: { value: key.keyArn, exported: 'key' } };
}
