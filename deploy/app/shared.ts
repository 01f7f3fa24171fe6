// What the first stack has, as the other stacks find it: by its name, or by its export.
import { Arn, ArnFormat, Aws, Fn, Stack } from 'aws-cdk-lib';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { type IQueue, Queue } from 'aws-cdk-lib/aws-sqs';
import type { Settings } from './settings.ts';

/** The queue, the DLQ, the topics and the key. */
export interface Shared {
  readonly queue: IQueue;
  readonly dlq: IQueue;
  readonly endings: ITopic;
  readonly alarms: ITopic;
  readonly key: IKey;
}

/** Finds them. */
export function sharedOf(stack: Stack, settings: Settings, prefix: string): Shared {
  const keyArn = Fn.importValue(`${prefix}-key`);
  const key = Key.fromKeyArn(stack, 'Key', keyArn);
  const fifo = settings.FIFO === 'yes';
  const queue = (id: string, name: string) => {
    const queueName = `${prefix}-${name}${fifo ? '.fifo' : ''}`;
    const queueUrl = `https://sqs.${Aws.REGION}.${Aws.URL_SUFFIX}/${Aws.ACCOUNT_ID}/${queueName}`;
    return Queue.fromQueueAttributes(stack, id, { queueArn: arnOf(stack, 'sqs', queueName), queueUrl, queueName, keyArn, fifo });
  };
  const topic = (id: string, name: string) => Topic.fromTopicAttributes(stack, id, { topicArn: arnOf(stack, 'sns', `${prefix}-${name}`), keyArn });
  return { queue: queue('Queue', 'queue'), dlq: queue('Dlq', 'dlq'), endings: topic('Topic', 'topic'), alarms: topic('Alarms', 'alarms'), key };
}

function arnOf(stack: Stack, service: string, resource: string): string {
  return Arn.format({ service, resource, arnFormat: ArnFormat.NO_RESOURCE_NAME }, stack);
}
