/**
 * Longshore's constructs: a queue with its DLQ, APIs in front of it, workers on Fargate behind it.
 *
 * Each takes what is there already (any `IQueue`, `ITopic`, `IVpc`, `ICluster`, `IKey`) and works without the others.
 */
export { LongshoreKey, type LongshoreKeyProps } from './longshore_key.ts';
export { LongshoreQueue, type LongshoreQueueProps } from './longshore_queue.ts';
export type {
  ApiDomain,
  ApiOptions,
  CognitoAuthorization,
  Cors,
  HttpApiOptions,
  HttpAuthorization,
  JwtAuthorization,
  LambdaAuthorization,
  RestApiOptions,
  RestAuthorization,
} from './api/options.ts';
export { SqsApi, type SqsApiProps } from './api/sqs_api.ts';
export { LongshoreService } from './service/longshore_service.ts';
export type {
  ContainerOptions,
  FileSystemMount,
  HandlerContainer,
  LogRouter,
  LongshoreServiceProps,
  Outcome,
  ScaleOutBy,
  SettingValue,
  WorkerOptions,
  WorkQueue,
} from './service/props.ts';
export type { ServiceNames } from './metrics.ts';
