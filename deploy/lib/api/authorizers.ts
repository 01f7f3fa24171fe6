// Who is let in by a token: the authorizers of both kinds of API.
import { Aws, Duration } from 'aws-cdk-lib';
import { AuthorizationType, CfnAuthorizer as CfnRestAuthorizer, type IAuthorizer, type RestApi } from 'aws-cdk-lib/aws-apigateway';
import { type CfnApi, CfnAuthorizer as CfnHttpAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2';
import { CfnPermission, type IFunction } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { HttpAuthorization, LambdaAuthorization, RestAuthorization } from './options.ts';

const CACHE = Duration.minutes(5);

/** How the methods of a REST API ask who calls. */
export interface RestGate {
  readonly authorizationType: AuthorizationType;
  readonly authorizer?: IAuthorizer;
  readonly authorizationScopes?: string[];
}

/** Makes what the methods of a REST API ask. */
export function addRestGate(api: RestApi, name: string, authorization: RestAuthorization): RestGate {
  if (authorization === 'AWS_IAM') return { authorizationType: AuthorizationType.IAM };
  if (typeof authorization === 'string') return { authorizationType: AuthorizationType.NONE };
  const isCognito = 'userPools' in authorization;
  const properties = isCognito
    ? { type: 'COGNITO_USER_POOLS', identitySource: 'method.request.header.Authorization', providerArns: authorization.userPools.map(({ userPoolArn }) => userPoolArn) }
    : { type: 'REQUEST', identitySource: `method.request.header.${headerOf(authorization)}`, authorizerUri: uriOf(authorization.authorizer), authorizerResultTtlInSeconds: cacheOf(authorization) };
  const made = new CfnRestAuthorizer(api, 'Authorizer', { restApiId: api.restApiId, name, ...properties });
  // A deployment has the authorizer as it was: what changes in it wants a new one.
  api.latestDeployment?.addToLogicalId({ authorizer: properties });
  if (!isCognito) permit(api, api.restApiId, authorization.authorizer);
  const authorizationType = isCognito ? AuthorizationType.COGNITO : AuthorizationType.CUSTOM;
  const scopes = isCognito ? (authorization.scopes ?? []) : [];
  return { authorizationType, authorizer: { authorizerId: made.ref, authorizationType }, ...(scopes.length === 0 ? {} : { authorizationScopes: [...scopes] }) };
}

/** How the routes of an HTTP API ask who calls. */
export interface HttpGate {
  readonly authorizationType: string;
  readonly authorizerId?: string;
  readonly authorizationScopes?: string[];
}

/** Makes what the routes of an HTTP API ask. */
export function addHttpGate(scope: Construct, api: CfnApi, name: string, authorization: HttpAuthorization): HttpGate {
  if (typeof authorization === 'string') return { authorizationType: authorization };
  const isToken = 'issuer' in authorization;
  const made = new CfnHttpAuthorizer(scope, 'HttpAuthorizer', {
    apiId: api.ref,
    name,
    ...(isToken
      ? { authorizerType: 'JWT', identitySource: ['$request.header.Authorization'], jwtConfiguration: { issuer: authorization.issuer, audience: [...authorization.audience] } }
      : {
          authorizerType: 'REQUEST',
          identitySource: [`$request.header.${headerOf(authorization)}`],
          authorizerUri: uriOf(authorization.authorizer),
          authorizerResultTtlInSeconds: cacheOf(authorization),
          // As a REST API asks, so that one function serves both.
          authorizerPayloadFormatVersion: '1.0',
        }),
  });
  if (!isToken) permit(scope, api.ref, authorization.authorizer);
  const scopes = isToken ? (authorization.scopes ?? []) : [];
  return { authorizationType: isToken ? 'JWT' : 'CUSTOM', authorizerId: made.ref, ...(scopes.length === 0 ? {} : { authorizationScopes: [...scopes] }) };
}

const headerOf = ({ header = 'Authorization' }: LambdaAuthorization) => header;
const cacheOf = ({ cache = CACHE }: LambdaAuthorization) => cache.toSeconds();
const uriOf = ({ functionArn }: IFunction) => `arn:${Aws.PARTITION}:apigateway:${Aws.REGION}:lambda:path/2015-03-31/functions/${functionArn}/invocations`;

/** Lets the authorizers of an API, and nothing else of API Gateway, call the function. */
function permit(scope: Construct, apiId: string, { functionArn }: IFunction): void {
  new CfnPermission(scope, 'AuthorizerPermission', {
    action: 'lambda:InvokeFunction',
    functionName: functionArn,
    principal: 'apigateway.amazonaws.com',
    sourceArn: `arn:${Aws.PARTITION}:execute-api:${Aws.REGION}:${Aws.ACCOUNT_ID}:${apiId}/authorizers/*`,
  });
}
