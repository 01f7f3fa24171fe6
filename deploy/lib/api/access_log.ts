// The line that an API logs for each request: who, what and how it went, never the message.

/** The format; the two kinds of API call their routes differently. */
export function accessLogFormat(route: 'routeKey' | 'resourcePath'): string {
  return JSON.stringify({
    requestId: '$context.requestId',
    time: '$context.requestTime',
    ip: '$context.identity.sourceIp',
    method: '$context.httpMethod',
    route: `$context.${route}`,
    status: '$context.status',
    responseBytes: '$context.responseLength',
    latencyMs: '$context.responseLatency',
    integrationStatus: '$context.integrationStatus',
  });
}
