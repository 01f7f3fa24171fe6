// The second stack: the APIs in front of the queue, where there are some.
import { Duration, Stack } from 'aws-cdk-lib';
import { UserPool } from 'aws-cdk-lib/aws-cognito';
import { PolicyDocument } from 'aws-cdk-lib/aws-iam';
import { Function } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { problemsOf } from '../lib/api/check.ts';
import { type ApiOptions, type HttpApiOptions, type HttpAuthorization, type RestApiOptions, type RestAuthorization, SqsApi } from '../lib/index.ts';
import { type ApiDetails, type AuthorizerDetails, detailsOf } from './details.ts';
import type { Settings } from './settings.ts';
import { sharedOf } from './shared.ts';
import type { Output } from './stacks.ts';

/** Makes them; the service imports the HTTP API's id, and is woken by its requests. */
export function addApi(stack: Stack, settings: Settings, prefix: string): Record<string, Output> {
  const { queue, key, alarms } = sharedOf(stack, settings, prefix);
  const api = new SqsApi(stack, 'Default', {
    prefix,
    queue,
    rest: settings.APIS === 'http' ? false : restOf(stack, settings),
    http: settings.APIS === 'rest' ? false : httpOf(stack, settings),
    logRetention: settings.LOG_RETENTION,
    logKey: key,
    alarmTopic: alarms,
  });
  return {
    RestApiUrl: { value: api.restUrl },
    RestApiKeyId: { value: api.restKeyId },
    RestRecordTarget: { value: api.restRecordTarget },
    HttpApiUrl: { value: api.httpUrl },
    HttpApiId: { value: api.httpApiId, exported: 'http-api-id' },
    HttpRecordTarget: { value: api.httpRecordTarget },
  };
}

/** What is wrong with the APIs of these settings. */
export function apiProblems(settings: Settings): string[] {
  const { rest, http } = detailsOf(settings);
  const { APIS, REST_AUTHORIZATION, HTTP_AUTHORIZATION } = settings;
  const has = { rest: APIS === 'both' || APIS === 'rest', http: APIS === 'both' || APIS === 'http' };
  const without = [
    ...(['MESSAGE_SCHEMA', 'WAF_ACL_ARN'] as const).filter((name) => !has.rest && settings[name] !== undefined).map((name) => `${name} goes with a REST API, and APIS is ${APIS}`),
    ...(!has.rest && rest !== undefined ? [`DETAILS: rest goes with a REST API, and APIS is ${APIS}`] : []),
    ...(!has.http && http !== undefined ? [`DETAILS: http goes with an HTTP API, and APIS is ${APIS}`] : []),
    ...(has.rest ? authorizerProblems('REST_AUTHORIZATION', REST_AUTHORIZATION, 'rest', rest?.authorizer) : []),
    ...(has.http ? authorizerProblems('HTTP_AUTHORIZATION', HTTP_AUTHORIZATION, 'http', http?.authorizer) : []),
  ];
  if (without.length > 0) return without;
  const nowhere = new Stack();
  return problemsOf({ fifo: settings.FIFO === 'yes', rest: has.rest && restOf(nowhere, settings), http: has.http && httpOf(nowhere, settings) });
}

/** By the authorization, what its authorizer has. */
const ASKED: Readonly<Record<string, readonly (keyof AuthorizerDetails)[]>> = { COGNITO: ['userPools'], JWT: ['issuer', 'audience'], LAMBDA: ['function'] };

function authorizerProblems(setting: string, of: string, api: string, authorizer: AuthorizerDetails | undefined): string[] {
  const asked = ASKED[of];
  if (asked === undefined) return authorizer === undefined ? [] : [`DETAILS: ${api}.authorizer goes with another ${setting} than ${of}`];
  return asked.filter((field) => authorizer?.[field] === undefined).map((field) => `${setting}=${of} goes with ${api}.authorizer.${field} of DETAILS`);
}

function restOf(scope: Construct, settings: Settings): RestApiOptions {
  const { existing, rest = {} } = detailsOf(settings);
  return {
    ...common(settings, rest),
    authorization: restAuthorization(scope, settings, rest.authorizer),
    stageName: settings.STAGE,
    accountLogRole: existing?.apiLogRole !== true,
    ...(rest.key === undefined ? {} : { apiKey: rest.key }),
    ...(rest.openQueueRoute === undefined ? {} : { openQueueRoute: rest.openQueueRoute }),
    ...(rest.compression === undefined ? {} : { minimumCompressionSize: rest.compression }),
    ...(rest.policy === undefined ? {} : { resourcePolicy: PolicyDocument.fromJson(rest.policy) }),
    ...(settings.MESSAGE_SCHEMA === undefined ? {} : { messageSchema: settings.MESSAGE_SCHEMA }),
    ...(settings.WAF_ACL_ARN === undefined ? {} : { webAclArn: settings.WAF_ACL_ARN }),
  };
}

function httpOf(scope: Construct, settings: Settings): HttpApiOptions {
  const { http = {} } = detailsOf(settings);
  return { ...common(settings, http), authorization: httpAuthorization(scope, settings, http.authorizer) };
}

function common({ API_THROTTLING }: Settings, { throttling, cors, domain }: ApiDetails): ApiOptions {
  return {
    throttling: API_THROTTLING,
    ...(throttling === undefined ? {} : { routeThrottling: throttling }),
    ...(cors === undefined ? {} : { cors: { origins: cors.origins ?? [], ...(cors.maxAge === undefined ? {} : { maxAge: Duration.seconds(cors.maxAge) }) } }),
    ...(domain === undefined
      ? {}
      : { domain: { name: domain.name ?? '', certificateArn: domain.certificate ?? '', ...(domain.trustStore === undefined ? {} : { trustStore: domain.trustStore }) } }),
  };
}

/** What each asks for is there: `readSettings` has seen to it. */
function restAuthorization(scope: Construct, { REST_AUTHORIZATION: of }: Settings, authorizer: AuthorizerDetails = {}): RestAuthorization {
  if (of === 'LAMBDA') return byFunction(scope, 'RestAuthorizer', authorizer);
  if (of !== 'COGNITO') return of;
  const userPools = (authorizer.userPools ?? []).map((arn, index) => UserPool.fromUserPoolArn(scope, `UserPool${index}`, arn));
  return { userPools, scopes: authorizer.scopes ?? [] };
}

function httpAuthorization(scope: Construct, { HTTP_AUTHORIZATION: of }: Settings, authorizer: AuthorizerDetails = {}): HttpAuthorization {
  if (of === 'LAMBDA') return byFunction(scope, 'HttpAuthorizerFunction', authorizer);
  if (of !== 'JWT') return of;
  return { issuer: authorizer.issuer ?? '', audience: authorizer.audience ?? [], scopes: authorizer.scopes ?? [] };
}

function byFunction(scope: Construct, id: string, { function: arn = '', header, cache }: AuthorizerDetails) {
  return {
    authorizer: Function.fromFunctionArn(scope, id, arn),
    ...(header === undefined ? {} : { header }),
    ...(cache === undefined ? {} : { cache: Duration.seconds(cache) }),
  };
}
