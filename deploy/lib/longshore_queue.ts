// A queue and its DLQ: encrypted, TLS only, long polls, redrive both ways.
import { Arn, ArnFormat, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { type CfnQueue, DeduplicationScope, FifoThroughputLimit, Queue, QueueEncryption, type QueueProps } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

const LONG_POLL = Duration.seconds(20);
const DLQ_RETENTION = Duration.days(14);
/** Fewer calls to KMS for a key that stays in SQS's cache. */
const KEY_REUSE = Duration.minutes(5);

/** What a queue and its DLQ are like. */
export interface LongshoreQueueProps {
  /** The first part of their names: `{prefix}-queue` and `{prefix}-dlq`. */
  readonly prefix: string;
  /** The key that encrypts both. */
  readonly encryptionKey: IKey;
  /**
   * Whether they are FIFO, with high throughput by group; their names then end in `.fifo`.
   * @default false
   */
  readonly fifo?: boolean;
  /**
   * How long the queue keeps a message, shorter than the 14 days of the DLQ.
   * @default 4 days
   */
  readonly retention?: Duration;
  /**
   * How long a received message stays hidden; the worker extends it.
   * @default 30 seconds
   */
  readonly visibility?: Duration;
  /**
   * Receives of a message before it moves to the DLQ.
   * @default 5
   */
  readonly maxReceives?: number;
  /**
   * What becomes of both when the stack goes, since messages may be in them.
   * @default RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
   */
  readonly removalPolicy?: RemovalPolicy;
}

/** A queue with a DLQ, as `LongshoreService` and `SqsApi` want it. */
export class LongshoreQueue extends Construct {
  /** The queue. */
  readonly queue: Queue;
  /** Where messages go that fail for good. */
  readonly deadLetterQueue: Queue;

  constructor(scope: Construct, id: string, props: LongshoreQueueProps) {
    super(scope, id);
    const { prefix, fifo = false, retention = Duration.days(4), maxReceives = 5 } = props;
    const suffix = fifo ? '.fifo' : '';
    const shared = sharedProps(props);
    this.deadLetterQueue = new Queue(this, 'Dlq', { ...shared, queueName: `${prefix}-dlq${suffix}`, retentionPeriod: DLQ_RETENTION });
    this.queue = new Queue(this, 'Queue', {
      ...shared,
      queueName: `${prefix}-queue${suffix}`,
      retentionPeriod: retention,
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: maxReceives },
    });
    // By the name: the DLQ is made before the queue that it allows.
    const source = Arn.format({ service: 'sqs', resource: `${prefix}-queue${suffix}`, arnFormat: ArnFormat.NO_RESOURCE_NAME }, Stack.of(this));
    (this.deadLetterQueue.node.defaultChild as CfnQueue).redriveAllowPolicy = { redrivePermission: 'byQueue', sourceQueueArns: [source] };
  }
}

function sharedProps({ encryptionKey, fifo = false, visibility = Duration.seconds(30), removalPolicy = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE }: LongshoreQueueProps): QueueProps {
  return {
    encryption: QueueEncryption.KMS,
    encryptionMasterKey: encryptionKey,
    dataKeyReuse: KEY_REUSE,
    receiveMessageWaitTime: LONG_POLL,
    visibilityTimeout: visibility,
    enforceSSL: true,
    removalPolicy,
    ...(fifo
      ? { fifo, contentBasedDeduplication: true, deduplicationScope: DeduplicationScope.MESSAGE_GROUP, fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID }
      : {}),
  };
}
