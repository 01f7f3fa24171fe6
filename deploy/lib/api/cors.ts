// What browsers are told of pages of other origins.
import { Duration } from 'aws-cdk-lib';
import type { IResource } from 'aws-cdk-lib/aws-apigateway';
import type { CfnApi } from 'aws-cdk-lib/aws-apigatewayv2';
import type { Cors } from './options.ts';

const MAX_AGE = Duration.hours(1);
/** The headers that the routes read, and those of keys, signatures and tokens. */
const HEADERS = [
  'Authorization',
  'Content-Type',
  'X-Amz-Date',
  'X-Amz-Security-Token',
  'X-Api-Key',
  'X-Message-Deduplication-Id',
  'X-Message-Delay-Seconds',
  'X-Message-Group-Id',
  'X-Request-Id',
  'traceparent',
  'tracestate',
];
const ALLOW_ORIGIN = 'Access-Control-Allow-Origin';

/** The header of each answer of a REST API, by its name. */
export function originHeader(cors: Cors | undefined): Record<string, string> {
  return cors === undefined ? {} : { [ALLOW_ORIGIN]: `'${cors.origins[0] ?? ''}'` };
}

/** The same as the parameters of an answer of a method. */
export function originParameters<Value>(cors: Cors | undefined, value: (header: string) => Value): Record<string, Value> {
  return Object.fromEntries(Object.entries(originHeader(cors)).map(([name, header]) => [`method.response.header.${name}`, value(header)]));
}

/** Answers the question that a browser asks before a request, without anyone being known yet. */
export function addPreflight(resource: IResource, methods: string[], { origins, maxAge = MAX_AGE }: Cors): void {
  resource.addCorsPreflight({ allowOrigins: [...origins], allowMethods: methods, allowHeaders: HEADERS, maxAge });
}

/** What an HTTP API answers by itself. */
export function corsOfHttp({ origins, maxAge = MAX_AGE }: Cors): CfnApi.CorsProperty {
  return { allowOrigins: [...origins], allowMethods: ['GET', 'POST'], allowHeaders: HEADERS.map((name) => name.toLowerCase()), maxAge: maxAge.toSeconds() };
}
