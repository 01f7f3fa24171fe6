// What the first stack has, as the other stacks find it: by its name, by its export, or where it was before.
import { Arn, ArnFormat, Aws, Fn, Stack } from 'aws-cdk-lib';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { type IQueue, Queue } from 'aws-cdk-lib/aws-sqs';
import { detailsOf } from './details.ts';
import type { Settings } from './settings.ts';

/** The queue, the DLQ, the topics and the key. */
export interface Shared {
  readonly queue: IQueue;
  /** Absent when the queue was there before and nothing is known of a DLQ. */
  readonly dlq: IQueue | undefined;
  readonly endings: ITopic;
  readonly alarms: ITopic;
  readonly key: IKey;
}

/** Finds them. */
export function sharedOf(stack: Stack, settings: Settings, prefix: string): Shared {
  const { existing = {} } = detailsOf(settings);
  const keyArn = Fn.importValue(`${prefix}-key`);
  const queue = (id: string, name: string) => {
    const queueName = `${prefix}-${name}${settings.FIFO === 'yes' ? '.fifo' : ''}`;
    const queueUrl = `https://sqs.${Aws.REGION}.${Aws.URL_SUFFIX}/${Aws.ACCOUNT_ID}/${queueName}`;
    return Queue.fromQueueAttributes(stack, id, { queueArn: arnOf(stack, 'sqs', queueName), queueUrl, queueName, keyArn, fifo: settings.FIFO === 'yes' });
  };
  const topic = (id: string, name: string, arn: string | undefined) =>
    Topic.fromTopicAttributes(stack, id, arn === undefined ? { topicArn: arnOf(stack, 'sns', `${prefix}-${name}`), keyArn } : { topicArn: arn, ...optionalKey(existing.key) });
  const queues =
    existing.queue === undefined
      ? { queue: queue('Queue', 'queue'), dlq: queue('Dlq', 'dlq') }
      : { queue: queueOf(stack, 'Queue', existing.queue, existing.key), dlq: existing.dlq === undefined ? undefined : queueOf(stack, 'Dlq', existing.dlq, existing.key) };
  return {
    ...queues,
    endings: topic('Topic', 'topic', existing.topic),
    alarms: topic('Alarms', 'alarms', existing.alarmTopic),
    key: Key.fromKeyArn(stack, 'Key', keyArn),
  };
}

/** A queue that was there before, with its key where it has one. */
export function queueOf(stack: Stack, id: string, queueArn: string, keyArn: string | undefined): IQueue {
  return Queue.fromQueueAttributes(stack, id, { queueArn, fifo: queueArn.endsWith('.fifo'), ...optionalKey(keyArn) });
}

const optionalKey = (keyArn: string | undefined) => (keyArn === undefined ? {} : { keyArn });

function arnOf(stack: Stack, service: string, resource: string): string {
  return Arn.format({ service, resource, arnFormat: ArnFormat.NO_RESOURCE_NAME }, stack);
}
