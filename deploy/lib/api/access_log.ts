// The line that an API logs for each request: who, what and how it went, never the message.
import type { HttpAuthorization, RestAuthorization } from './options.ts';

/** Who called, as IAM, Cognito, the issuer of a token or the owner's function says it; nobody else writes these. */
const PRINCIPALS = { iam: '$context.identity.userArn', token: '$context.authorizer.claims.sub', lambda: '$context.authorizer.principalId' };

/** What the two kinds of API call the request and the route. A REST API's `requestId` is the client's to choose, and nothing is escaped here. */
const WORDS = {
  http: { requestId: '$context.requestId', route: '$context.routeKey' },
  rest: { requestId: '$context.extendedRequestId', route: '$context.resourcePath' },
};

/** The format. */
export function accessLogFormat(kind: keyof typeof WORDS, authorization: RestAuthorization | HttpAuthorization, hasKey: boolean): string {
  const { requestId, route } = WORDS[kind];
  const principal = principalOf(authorization);
  return JSON.stringify({
    requestId,
    time: '$context.requestTime',
    ip: '$context.identity.sourceIp',
    ...(principal === undefined ? {} : { principal }),
    ...(hasKey ? { apiKeyId: '$context.identity.apiKeyId' } : {}),
    method: '$context.httpMethod',
    route,
    status: '$context.status',
    responseBytes: '$context.responseLength',
    latencyMs: '$context.responseLatency',
    integrationStatus: '$context.integrationStatus',
  });
}

function principalOf(authorization: RestAuthorization | HttpAuthorization): string | undefined {
  if (typeof authorization === 'string') return authorization === 'AWS_IAM' ? PRINCIPALS.iam : undefined;
  return 'authorizer' in authorization ? PRINCIPALS.lambda : PRINCIPALS.token;
}
