// The HTTP API: the cheaper door, one message a request, SQS's own answers.
import { CfnApi, CfnIntegration, CfnRoute, CfnStage } from 'aws-cdk-lib/aws-apigatewayv2';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { accessLogFormat } from './access_log.ts';
import { addHttpGate, type HttpGate } from './authorizers.ts';
import { corsOfHttp } from './cors.ts';
import { addHttpDomain } from './domain.ts';
import type { HttpApiOptions } from './options.ts';
import type { ApiParts, MadeApi } from './sqs_api.ts';

/**
 * The attributes of every message. They are JSON, into which this kind of API writes a variable without escaping it: only what
 * API Gateway itself has made may be in it, nothing that a client wrote. So a header such as `traceparent` cannot be handed on here.
 */
const ATTRIBUTES = JSON.stringify({ requestId: { DataType: 'String', StringValue: '${context.requestId}' } });

/** Each route, and where its message comes from; a body is an argument of its own, and so need not be escaped. */
export const ROUTES = [
  { id: 'HttpSend', route: 'POST /v1/messages', body: '$request.body' },
  { id: 'HttpOlderSend', route: 'GET /v1/send', body: '$request.querystring.MessageBody' },
];

/** What CloudWatch calls an HTTP API's metrics. */
const METRICS = { requests: 'Count', failures: '5xx' };

/** Makes the API with its one stage, and where the record of its own name must point. */
export function addHttpApi(scope: Construct, parts: ApiParts, options: HttpApiOptions): MadeApi & { id: string } {
  const { authorization = 'AWS_IAM', throttling = 100, routeThrottling = {}, cors, domain } = options;
  const name = `${parts.prefix}-http-api`;
  const limit = (rate: number) => ({ throttlingRateLimit: rate, throttlingBurstLimit: rate, detailedMetricsEnabled: true });
  const api = new CfnApi(scope, 'HttpApi', {
    name,
    protocolType: 'HTTP',
    ...(cors === undefined ? {} : { corsConfiguration: corsOfHttp(cors) }),
    ...(domain === undefined ? {} : { disableExecuteApiEndpoint: true }),
  });
  const gate = addHttpGate(scope, api, name, authorization);
  const made = ROUTES.map((route) => addRoute(scope, api, route, parts, gate));
  // The kit spells properties within a map as they are given; these are CloudFormation's own.
  const ofRoute = (rate: number) => ({ ThrottlingRateLimit: rate, ThrottlingBurstLimit: rate, DetailedMetricsEnabled: true });
  const single = Object.entries(routeThrottling);
  const stage = new CfnStage(scope, 'HttpStage', {
    apiId: api.ref,
    stageName: '$default',
    autoDeploy: true,
    defaultRouteSettings: limit(throttling),
    ...(single.length === 0 ? {} : { routeSettings: Object.fromEntries(single.map(([route, rate]) => [route, ofRoute(rate)])) }),
    accessLogSettings: { destinationArn: parts.logs.logGroupArn, format: accessLogFormat('http', authorization, false) },
  });
  // The settings of a route want the route.
  if (single.length > 0) stage.node.addDependency(...made);
  return {
    id: api.ref,
    url: domain === undefined ? api.attrApiEndpoint : `https://${domain.name}`,
    recordTarget: domain === undefined ? undefined : addHttpDomain(scope, domain, api.ref, stage),
    metric: (of) => httpApiMetric(api.ref, of),
  };
}

/** A metric of the HTTP API with this id. */
export function httpApiMetric(apiId: string, name: keyof typeof METRICS): Metric {
  return new Metric({ namespace: 'AWS/ApiGateway', metricName: METRICS[name], dimensionsMap: { ApiId: apiId } });
}

function addRoute(scope: Construct, api: CfnApi, { id, route, body }: (typeof ROUTES)[number], { queue, role }: ApiParts, gate: HttpGate): CfnRoute {
  const integration = new CfnIntegration(scope, `${id}Integration`, {
    apiId: api.ref,
    integrationType: 'AWS_PROXY',
    integrationSubtype: 'SQS-SendMessage',
    payloadFormatVersion: '1.0',
    credentialsArn: role.roleArn,
    requestParameters: {
      QueueUrl: queue.queueUrl,
      MessageBody: body,
      MessageAttributes: ATTRIBUTES,
      ...(queue.fifo ? { MessageGroupId: groupOf(route) } : {}),
    },
  });
  return new CfnRoute(scope, id, { apiId: api.ref, routeKey: route, ...gate, target: `integrations/${integration.ref}` });
}

/** The older route knows no groups: each of its messages is one. */
function groupOf(route: string): string {
  return route.startsWith('GET') ? '$context.requestId' : '$request.header.x-message-group-id';
}
