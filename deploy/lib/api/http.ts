// The HTTP API: the cheaper door, one message a request, SQS's own answers.
import { CfnApi, CfnIntegration, CfnRoute, CfnStage } from 'aws-cdk-lib/aws-apigatewayv2';
import type { Role } from 'aws-cdk-lib/aws-iam';
import type { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Names } from '../names.ts';
import type { QueueRef } from '../queues.ts';
import type { Settings } from '../settings.ts';
import { accessLogFormat } from './access_log.ts';

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

/** What the API needs of the rest. */
export interface HttpApiProps {
  readonly settings: Settings;
  readonly names: Names;
  readonly queue: QueueRef;
  readonly role: Role;
  readonly logs: CfnLogGroup;
}

/** Makes the API with its one stage; its id and its URL. */
export function addHttpApi(scope: Construct, props: HttpApiProps): { id: string; url: string } {
  const api = new CfnApi(scope, 'HttpApi', { name: props.names.httpApi, protocolType: 'HTTP' });
  for (const route of ROUTES) addRoute(scope, api, route, props);
  new CfnStage(scope, 'HttpStage', {
    apiId: api.ref,
    stageName: '$default',
    autoDeploy: true,
    defaultRouteSettings: {
      throttlingRateLimit: props.settings.API_THROTTLING,
      throttlingBurstLimit: props.settings.API_THROTTLING,
      detailedMetricsEnabled: true,
    },
    accessLogSettings: { destinationArn: props.logs.attrArn, format: accessLogFormat('http') },
  });
  return { id: api.ref, url: api.attrApiEndpoint };
}

function addRoute(scope: Construct, api: CfnApi, { id, route, body }: (typeof ROUTES)[number], props: HttpApiProps): void {
  const integration = new CfnIntegration(scope, `${id}Integration`, {
    apiId: api.ref,
    integrationType: 'AWS_PROXY',
    integrationSubtype: 'SQS-SendMessage',
    payloadFormatVersion: '1.0',
    credentialsArn: props.role.roleArn,
    requestParameters: {
      QueueUrl: props.queue.url,
      MessageBody: body,
      MessageAttributes: ATTRIBUTES,
      ...(props.settings.FIFO === 'yes' ? { MessageGroupId: groupOf(route) } : {}),
    },
  });
  new CfnRoute(scope, id, {
    apiId: api.ref,
    routeKey: route,
    authorizationType: props.settings.API_AUTHORIZATION,
    target: `integrations/${integration.ref}`,
  });
}

/** The older route knows no groups: each of its messages is one. */
function groupOf(route: string): string {
  return route.startsWith('GET') ? '$context.requestId' : '$request.header.x-message-group-id';
}
