// The HTTP API: the cheaper door, one message a request, SQS's own answers.
import { CfnApi, CfnIntegration, CfnRoute, CfnStage } from 'aws-cdk-lib/aws-apigatewayv2';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { accessLogFormat } from './access_log.ts';
import type { ApiOptions, ApiParts, MadeApi } from './sqs_api.ts';

/**
 * The attributes of every message. They are JSON, into which this kind of API writes a variable without escaping it: only what
 * API Gateway itself has made may be in it, nothing that a client wrote. So a header such as `traceparent` cannot be handed on here.
 */
const ATTRIBUTES = JSON.stringify({ requestId: { DataType: 'String', StringValue: '${context.requestId}' } });

/** Each route, and where its message comes from; a body is an argument of its own, and so need not be escaped. */
const ROUTES = [
  { id: 'HttpSend', route: 'POST /v1/messages', body: '$request.body' },
  { id: 'HttpOlderSend', route: 'GET /v1/send', body: '$request.querystring.MessageBody' },
];

/** What CloudWatch calls an HTTP API's metrics. */
const METRICS = { requests: 'Count', failures: '5xx' };

/** Makes the API with its one stage. */
export function addHttpApi(scope: Construct, parts: ApiParts, options: ApiOptions): MadeApi & { id: string } {
  const { authorization = 'AWS_IAM', throttling = 100 } = options;
  const api = new CfnApi(scope, 'HttpApi', { name: `${parts.prefix}-http-api`, protocolType: 'HTTP' });
  for (const route of ROUTES) addRoute(scope, api, route, parts, authorization);
  new CfnStage(scope, 'HttpStage', {
    apiId: api.ref,
    stageName: '$default',
    autoDeploy: true,
    defaultRouteSettings: { throttlingRateLimit: throttling, throttlingBurstLimit: throttling, detailedMetricsEnabled: true },
    accessLogSettings: { destinationArn: parts.logs.logGroupArn, format: accessLogFormat('http') },
  });
  return { id: api.ref, url: api.attrApiEndpoint, metric: (name) => httpApiMetric(api.ref, name) };
}

/** A metric of the HTTP API with this id. */
export function httpApiMetric(apiId: string, name: keyof typeof METRICS): Metric {
  return new Metric({ namespace: 'AWS/ApiGateway', metricName: METRICS[name], dimensionsMap: { ApiId: apiId } });
}

function addRoute(scope: Construct, api: CfnApi, { id, route, body }: (typeof ROUTES)[number], { queue, role }: ApiParts, authorizationType: string): void {
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
  new CfnRoute(scope, id, { apiId: api.ref, routeKey: route, authorizationType, target: `integrations/${integration.ref}` });
}

/** The older route knows no groups: each of its messages is one. */
function groupOf(route: string): string {
  return route.startsWith('GET') ? '$context.requestId' : '$request.header.x-message-group-id';
}
