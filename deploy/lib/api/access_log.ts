// The line that an API logs for each request: who, what and how it went, never the message.

/** What the two kinds of API call the request and the route. A REST API's `requestId` is the client's to choose, and nothing is escaped here. */
const WORDS = {
  http: { requestId: '$context.requestId', route: '$context.routeKey' },
  rest: { requestId: '$context.extendedRequestId', route: '$context.resourcePath' },
};

/** The format. */
export function accessLogFormat(kind: keyof typeof WORDS): string {
  const { requestId, route } = WORDS[kind];
  return JSON.stringify({
    requestId,
    time: '$context.requestTime',
    ip: '$context.identity.sourceIp',
    method: '$context.httpMethod',
    route,
    status: '$context.status',
    responseBytes: '$context.responseLength',
    latencyMs: '$context.responseLatency',
    integrationStatus: '$context.integrationStatus',
  });
}
