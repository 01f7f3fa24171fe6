// The queue and its DLQ: encrypted, TLS only, long polls, redrive both ways.
import { CfnDeletionPolicy, type CfnResource } from 'aws-cdk-lib';
import { AnyPrincipal, Effect, PolicyDocument, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { CfnQueue, CfnQueuePolicy } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { secondsOfDays } from './arithmetic.ts';
import type { Names } from './names.ts';
import type { Settings } from './settings.ts';

const LONG_POLL_SECONDS = 20;
const DLQ_RETENTION_SECONDS = 14 * 86400;
/** Fewer calls to KMS for a key that stays in SQS's cache. */
const KEY_REUSE_SECONDS = 300;

/** One queue by what others need of it. */
export interface QueueRef {
  readonly name: string;
  readonly url: string;
  readonly arn: string;
}

/** The queue and its DLQ. */
export interface Queues {
  readonly queue: QueueRef;
  readonly dlq: QueueRef;
}

/** Makes both; they stay when the stack goes, since messages may be in them. */
export function addQueues(scope: Construct, settings: Settings, names: Names, key: IKey): Queues {
  const fifo = settings.FIFO === 'yes';
  const shared = {
    kmsMasterKeyId: key.keyArn,
    kmsDataKeyReusePeriodSeconds: KEY_REUSE_SECONDS,
    receiveMessageWaitTimeSeconds: LONG_POLL_SECONDS,
    visibilityTimeout: settings.VISIBILITY,
    ...(fifo ? { fifoQueue: true, contentBasedDeduplication: true, deduplicationScope: 'messageGroup', fifoThroughputLimit: 'perMessageGroupId' } : {}),
  };
  const dlq = new CfnQueue(scope, 'Dlq', { ...shared, queueName: names.dlq, messageRetentionPeriod: DLQ_RETENTION_SECONDS });
  dlq.redriveAllowPolicy = { redrivePermission: 'byQueue', sourceQueueArns: [queueArn(names)] };
  const queue = new CfnQueue(scope, 'Queue', {
    ...shared,
    queueName: names.queue,
    messageRetentionPeriod: secondsOfDays(scope, settings.QUEUE_RETENTION),
    redrivePolicy: { deadLetterTargetArn: dlq.attrArn, maxReceiveCount: settings.DLQ_RETRIES },
  });
  const both = [queue, dlq];
  both.forEach(keep);
  new CfnQueuePolicy(scope, 'TlsOnly', { queues: both.map(({ ref }) => ref), policyDocument: tlsOnly(both) });
  return { queue: refOf(queue, names.queue), dlq: refOf(dlq, names.dlq) };
}

/** Keeps a resource when the stack goes, save when its creation failed. */
function keep(resource: CfnResource): void {
  resource.cfnOptions.deletionPolicy = CfnDeletionPolicy.RETAIN_EXCEPT_ON_CREATE;
  resource.cfnOptions.updateReplacePolicy = CfnDeletionPolicy.RETAIN;
}

/** The ARN by the name: the DLQ is made before the queue that it allows. */
function queueArn({ within, fifoSuffix }: Names): string {
  return within(`arn:\${AWS::Partition}:sqs:\${AWS::Region}:\${AWS::AccountId}:{prefix}-queue${fifoSuffix}`);
}

function tlsOnly(queues: readonly CfnQueue[]): PolicyDocument {
  const statement = new PolicyStatement({
    effect: Effect.DENY,
    principals: [new AnyPrincipal()],
    actions: ['sqs:*'],
    resources: queues.map(({ attrArn }) => attrArn),
    conditions: { Bool: { 'aws:SecureTransport': 'false' } },
  });
  return new PolicyDocument({ statements: [statement] });
}

function refOf(queue: CfnQueue, name: string): QueueRef {
  return { name, url: queue.ref, arn: queue.attrArn };
}
