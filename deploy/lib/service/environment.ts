// The worker's configuration, as the environment of its container.
import { Aws, Duration } from 'aws-cdk-lib';
import { asText, LINE_SECONDS, type Load } from '../metrics.ts';
import type { LongshoreServiceProps, SettingValue, WorkQueue } from './props.ts';

/** What ECS gives at most between SIGTERM and SIGKILL; the worker's drain limit follows from it. */
export const STOP_TIMEOUT_SECONDS = 120;
const COLLECTOR = 'http://127.0.0.1:4317';
const HANDLER_PORT = 8080;
const BACKLOG_TARGET = Duration.minutes(1);

/** Variables of a container. */
export type Environment = Readonly<Record<string, string>>;

/** A queue's name in the worker's configuration, and so in its metrics. */
export const nameOf = ({ name = 'jobs' }: WorkQueue): string => name;

/** What a queue is to the fleet. */
export function loadOf({ queue, concurrency = 16 }: WorkQueue, { backlogTarget = BACKLOG_TARGET }: LongshoreServiceProps): Load {
  return { queueName: queue.queueName, concurrency, backlogTarget: backlogTarget.toSeconds() };
}

/** The variables; their names are those of docs/configuration.md, which a test holds them to. */
export function environment(props: LongshoreServiceProps): Environment {
  const queues = props.queues.map((queue) => prefixed(`LONGSHORE__QUEUES__${nameOf(queue).toUpperCase()}__`, ofQueue(queue, props)));
  return {
    ...Object.assign({}, ...queues),
    LONGSHORE__AWS__REGION: Aws.REGION,
    LONGSHORE__ECS__METRICS_INTERVAL: `${LINE_SECONDS}s`,
    LONGSHORE__ECS__STOP_TIMEOUT: `${STOP_TIMEOUT_SECONDS}s`,
    ...scaleOut(props),
    LONGSHORE__LOG__FILTER: props.logFilter ?? 'info',
  };
}

/** The tasks that the workers order themselves. */
function scaleOut({ scaleOutBy, maxTasks = 10, backlogTarget = BACKLOG_TARGET }: LongshoreServiceProps): Environment {
  if (scaleOutBy !== 'workers') return {};
  return { LONGSHORE__ECS__SCALE_OUT_TO: asText(maxTasks), LONGSHORE__ECS__BACKLOG_TARGET: `${asText(backlogTarget.toSeconds())}s` };
}

function ofQueue(work: WorkQueue, { handlers = [] }: LongshoreServiceProps): Environment {
  const { queue, concurrency = 16, visibility = Duration.seconds(30), timeout = Duration.minutes(15), batchSize = 1, notify } = work;
  const handler = work.handler ?? { kind: 'http', url: `http://127.0.0.1:${asText(handlers[0]?.port ?? HANDLER_PORT)}/` };
  return {
    URL: queue.queueUrl,
    CONCURRENCY: asText(concurrency),
    VISIBILITY: `${asText(visibility.toSeconds())}s`,
    TIMEOUT: `${asText(timeout.toSeconds())}s`,
    BATCH__SIZE: asText(batchSize),
    DEPTH__INTERVAL: `${LINE_SECONDS}s`,
    ...prefixed('HANDLER__', Object.fromEntries(Object.entries(handler).map(([key, value]) => [key.toUpperCase(), asVariable(value)]))),
    ...Object.fromEntries((notify?.outcomes ?? []).map((outcome) => [`NOTIFY__ON_${outcome.toUpperCase()}`, notify?.topic.topicArn ?? ''])),
  };
}

/** Where traces go, by OpenTelemetry's own variables, which the worker and the handler's SDK read alike. */
export function tracing({ collector }: LongshoreServiceProps, service: string): Environment {
  if (collector === undefined) return {};
  return { OTEL_EXPORTER_OTLP_ENDPOINT: COLLECTOR, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_SERVICE_NAME: service };
}

/** The items of a list are separated by commas. */
function asVariable(value: SettingValue): string {
  return Array.isArray(value) ? value.join(',') : String(value);
}

function prefixed(prefix: string, variables: Environment): Environment {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [prefix + name, value]));
}
