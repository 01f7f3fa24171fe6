// The worker's configuration, as the environment of its container.
import { asText } from '../arithmetic.ts';
import type { Queues } from '../queues.ts';
import type { Settings } from '../settings.ts';

/** What ECS gives at most between SIGTERM and SIGKILL; the worker's drain limit follows from it. */
export const STOP_TIMEOUT_SECONDS = 120;
/** The queue's name in the worker's configuration, and so in its metrics. */
export const QUEUE = 'jobs';
const COLLECTOR = 'http://127.0.0.1:4317';

/** Variables of a container. */
export type Environment = Readonly<Record<string, string>>;

/** The variables; their names are those of docs/configuration.md, which a test holds them to. */
export function environment(settings: Settings, queues: Queues, topic: string, region: string): Environment {
  const queue = prefixed(`LONGSHORE__QUEUES__${QUEUE.toUpperCase()}__`, {
    URL: queues.queue.url,
    CONCURRENCY: asText(settings.CONCURRENCY),
    VISIBILITY: `${asText(settings.VISIBILITY)}s`,
    TIMEOUT: `${asText(settings.TASK_TIMEOUT)}s`,
    BATCH__SIZE: asText(settings.BATCH_SIZE),
    ...prefixed('HANDLER__', handler(settings)),
    ...prefixed('NOTIFY__', notify(settings, topic)),
  });
  return {
    ...queue,
    LONGSHORE__AWS__REGION: region,
    LONGSHORE__ECS__STOP_TIMEOUT: `${STOP_TIMEOUT_SECONDS}s`,
    LONGSHORE__LOG__FILTER: settings.LOG_FILTER,
  };
}

/** Where traces go, by OpenTelemetry's own variables, which the worker and the handler's SDK read alike. */
export function tracing(settings: Settings, service: string): Environment {
  if (settings.COLLECTOR_IMAGE === undefined) return {};
  return { OTEL_EXPORTER_OTLP_ENDPOINT: COLLECTOR, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_SERVICE_NAME: service };
}

/** The handler beside the worker, or the one that the settings describe. */
function handler(settings: Settings): Environment {
  if (settings.HANDLER === undefined) return { KIND: 'http', URL: `http://127.0.0.1:${asText(settings.HANDLER_PORT)}/` };
  const described = JSON.parse(settings.HANDLER) as Record<string, unknown>;
  return Object.fromEntries(Object.entries(described).map(([key, value]) => [key.toUpperCase(), asVariable(value)]));
}

/** The items of a list are separated by commas. */
function asVariable(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value);
}

function notify({ NOTIFY }: Settings, topic: string): Environment {
  if (NOTIFY === 'none') return {};
  return Object.fromEntries(NOTIFY.split(',').map((ending) => [`ON_${ending.toUpperCase()}`, topic]));
}

function prefixed(prefix: string, variables: Environment): Environment {
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [prefix + name, value]));
}
