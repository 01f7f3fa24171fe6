// The APIs in front of a queue: a REST API, an HTTP API or both, with one role, one access log and one alarm.
import { Aws } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { ILogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { addAlarm } from '../alarm.ts';
import { addLogGroup } from '../log_group.ts';
import { type Query, total } from '../metrics.ts';
import { problemsOf } from './check.ts';
import { addHttpApi } from './http.ts';
import type { HttpApiOptions, RestApiOptions } from './options.ts';
import { addRestApi } from './rest.ts';
import { addApiRole } from './role.ts';

/** What the APIs are in front of, and what they are like. */
export interface SqsApiProps {
  /** The first part of all names: `{prefix}-rest-api`, `{prefix}-http-api`. */
  readonly prefix: string;
  /** The queue that takes the messages, FIFO or not; its key is used by the APIs' role. */
  readonly queue: IQueue;
  /**
   * The REST API: batches, mapped answers, keys; `false` for none.
   * @default one that IAM guards
   */
  readonly rest?: RestApiOptions | false;
  /**
   * The HTTP API: cheaper, SQS's own answers; `false` for none.
   * @default one that IAM guards
   */
  readonly http?: HttpApiOptions | false;
  /**
   * Where access logs go.
   * @default a new group `/aws/vendedlogs/longshore/{prefix}/api`
   */
  readonly logGroup?: ILogGroup;
  /**
   * How long a new log group keeps its lines.
   * @default RetentionDays.ONE_MONTH
   */
  readonly logRetention?: RetentionDays;
  /**
   * The key that encrypts a new log group; its policy must allow CloudWatch Logs, as that of a `LongshoreKey` does.
   * @default CloudWatch's own
   */
  readonly logKey?: IKey;
  /**
   * What is told when an API answers 5xx again and again, and when it is over.
   * @default the alarm tells nobody
   */
  readonly alarmTopic?: ITopic;
}

/** What each kind of API is made of. */
export interface ApiParts {
  readonly prefix: string;
  readonly queue: IQueue;
  readonly role: IRole;
  readonly logs: ILogGroup;
}

/** One API, by what others need of it. */
export interface MadeApi {
  readonly url: string;
  /** What the DNS record of its own name must point to. */
  readonly recordTarget: string | undefined;
  /** Its metrics: of a name, in a minute. */
  readonly metric: (name: 'requests' | 'failures') => Metric;
}

/** REST and HTTP API in front of a queue. */
export class SqsApi extends Construct {
  /** The REST API's address with its stage, ending in a slash. */
  readonly restUrl: string | undefined;
  /** What the DNS record of the REST API's own name must point to. */
  readonly restRecordTarget: string | undefined;
  /** The id of the REST API's first key. */
  readonly restKeyId: string | undefined;
  /** The HTTP API's address, without a slash at the end. */
  readonly httpUrl: string | undefined;
  /** What the DNS record of the HTTP API's own name must point to. */
  readonly httpRecordTarget: string | undefined;
  /** The id of the HTTP API. */
  readonly httpApiId: string | undefined;
  /** The requests to each API: `LongshoreService` starts its first task by them. */
  readonly requests: readonly Metric[];
  /** The role by which both write to the queue. */
  readonly role: IRole;

  constructor(scope: Construct, id: string, props: SqsApiProps) {
    super(scope, id);
    const { prefix, queue, rest = {}, http = {} } = props;
    const problems = problemsOf({ fifo: queue.fifo, rest, http });
    if (problems.length > 0) throw new Error(`SqsApi: ${problems.join('; ')}`);
    this.role = addApiRole(this, queue);
    const parts: ApiParts = { prefix, queue, role: this.role, logs: props.logGroup ?? addLogGroup(this, 'ApiLogs', `/aws/vendedlogs/longshore/${prefix}/api`, props) };
    const httpApi = http === false ? undefined : addHttpApi(this, parts, http);
    const restApi = rest === false ? undefined : addRestApi(this, parts, rest);
    const apis: MadeApi[] = [restApi, httpApi].filter((api) => api !== undefined);
    this.restUrl = restApi?.url;
    this.restRecordTarget = restApi?.recordTarget;
    this.restKeyId = restApi?.keyId;
    this.httpUrl = httpApi?.url;
    this.httpRecordTarget = httpApi?.recordTarget;
    this.httpApiId = httpApi?.id;
    this.requests = apis.map(({ metric }) => metric('requests'));
    if (apis.length > 0) addFailureAlarm(this, apis, props);
  }
}

/** Percent, and in three of five minutes: a single 5xx is the client's to try again. */
function addFailureAlarm(scope: Construct, apis: readonly MadeApi[], { prefix, alarmTopic }: SqsApiProps): void {
  const topics = alarmTopic === undefined ? [] : [alarmTopic.topicArn];
  addAlarm(scope, 'Api5xx', {
    name: `${prefix}-api-5xx`,
    description: 'An API answers 5xx to one request in twenty, or to more: messages are not taken. docs/alarms.md#api-5xx',
    queries: failures(apis),
    threshold: 5,
    evaluationPeriods: 5,
    datapointsToAlarm: 3,
    actions: topics,
    over: topics,
  });
}

/** The percent of requests to all APIs that were answered with 5xx; a minute without a request has no such number. */
export function failures(apis: readonly Pick<MadeApi, 'metric'>[]): Query[] {
  const sums = (of: 'failures' | 'requests') => apis.map(({ metric }, index) => ({ id: `${of}${index}`, metric: metric(of), stat: 'Sum' }));
  const [failed, asked] = [sums('failures'), sums('requests')];
  return [...failed, ...asked, { id: 'percent', expression: `100 * (${total(failed)}) / (${total(asked)})` }];
}

/** A queue's place in the URI of an integration. */
export function queuePath(queue: IQueue): string {
  return `arn:${Aws.PARTITION}:apigateway:${Aws.REGION}:sqs:path/${queue.env.account}/${queue.queueName}`;
}
