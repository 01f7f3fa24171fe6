// The REST API: validated requests, single and in batches, with mapped answers, keys and a usage plan.
import { createHash } from 'node:crypto';
import { Fn } from 'aws-cdk-lib';
import {
  type AuthorizationType,
  Integration,
  IntegrationType,
  type CfnDeployment,
  type CfnStage,
  CfnUsagePlanKey,
  EndpointType,
  type IModel,
  type IRequestValidator,
  type JsonSchema,
  Model,
  PassthroughBehavior,
  RestApi,
  type Stage,
} from 'aws-cdk-lib/aws-apigateway';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import { CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2';
import type { Construct } from 'constructs';
import { lookUp } from '../mapping.ts';
import { accessLogFormat } from './access_log.ts';
import { addGatewayResponses } from './gateway_responses.ts';
import { BATCH, message } from './models.ts';
import { answersOf, QUEUE_URL, type Route, routes } from './rest_routes.ts';
import { type ApiParts, type MadeApi, queuePath, type RestApiOptions } from './sqs_api.ts';
import { template } from './templates.ts';

/** What CloudWatch calls a REST API's metrics. */
const METRICS = { requests: 'Count', failures: '5XXError' };

/** Makes the API with its stage; with the id of its key. */
export function addRestApi(scope: Construct, parts: ApiParts, options: RestApiOptions): MadeApi & { keyId: string } {
  const name = `${parts.prefix}-rest-api`;
  const { throttling = 100, stageName = 'prod' } = options;
  const throttle = { throttlingRateLimit: throttling, throttlingBurstLimit: throttling };
  const api = new RestApi(scope, 'RestApi', {
    restApiName: name,
    endpointTypes: [EndpointType.REGIONAL],
    cloudWatchRole: options.accountLogRole ?? true,
    deployOptions: { stageName: 'stage', variables: { [QUEUE_URL]: parts.queue.queueUrl }, tracingEnabled: true },
  });
  const stage = api.deploymentStage.node.defaultChild as CfnStage;
  // The construct makes its id of the stage's name, which a parameter cannot be part of.
  stage.stageName = stageName;
  stage.methodSettings = [{ httpMethod: '*', resourcePath: '/*', metricsEnabled: true, ...throttle }];
  stage.accessLogSetting = { destinationArn: parts.logs.logGroupArn, format: accessLogFormat('rest') };
  const deployment = api.latestDeployment?.node.defaultChild as CfnDeployment;
  deployment.description = undefined;
  // The stack has outputs of its own.
  api.node.tryRemoveChild('Endpoint');
  addGatewayResponses(api);
  addRoutes(api, parts, options);
  if (options.webAclArn !== undefined) new CfnWebACLAssociation(scope, 'Waf', { resourceArn: api.deploymentStage.stageArn, webAclArn: options.webAclArn });
  const keyId = addKeyAndPlan(api, api.deploymentStage, parts.prefix, throttling);
  return { url: api.url, keyId, metric: (of) => restApiMetric(name, of) };
}

/** A metric of the REST API of this name. */
export function restApiMetric(apiName: string, name: keyof typeof METRICS): Metric {
  return new Metric({ namespace: 'AWS/ApiGateway', metricName: METRICS[name], dimensionsMap: { ApiName: apiName } });
}

function addRoutes(api: RestApi, { queue, role }: ApiParts, { authorization = 'AWS_IAM', messageSchema }: RestApiOptions): void {
  const validator = api.addRequestValidator('Validator', { validateRequestBody: true, validateRequestParameters: true });
  const models = { message: model(api, 'MessageModel', message(messageSchema)), batch: model(api, 'BatchModel', BATCH) };
  const shared = { uri: queuePath(queue), role, authorization: authorization as AuthorizationType, validator, models };
  for (const route of routes(queue.fifo)) addRoute(api, route, shared);
}

interface Shared {
  readonly uri: string;
  readonly role: IRole;
  readonly authorization: AuthorizationType;
  readonly validator: IRequestValidator;
  readonly models: { readonly message: IModel; readonly batch: IModel };
}

function addRoute(api: RestApi, route: Route, shared: Shared): void {
  const { parameter } = route;
  api.root.resourceForPath(route.path).addMethod(route.method, sending(api, route, shared), {
    apiKeyRequired: true,
    authorizationType: shared.authorization,
    requestValidator: shared.validator,
    methodResponses: answersOf(route, (text) => text).map(({ statusCode }) => ({ statusCode })),
    ...(parameter
      ? { requestParameters: { [`method.request.querystring.${parameter}`]: true } }
      : { requestModels: { 'application/json': shared.models[route.model ?? 'message'] } }),
  });
}

function sending(api: RestApi, route: Route, { uri, role }: Shared): Integration {
  return new Integration({
    type: IntegrationType.AWS,
    uri,
    integrationHttpMethod: 'POST',
    options: {
      credentialsRole: role,
      passthroughBehavior: PassthroughBehavior.NEVER,
      requestParameters: {
        'integration.request.header.Content-Type': "'application/x-amz-json-1.0'",
        'integration.request.header.X-Amz-Target': `'AmazonSQS.${route.action}'`,
      },
      requestTemplates: Object.fromEntries(route.contentTypes.map((type) => [type, request(api, route.template)])),
      integrationResponses: answersOf(route, (text) => once(api, text)),
    },
  });
}

/** The template of a request; the part that reads the trace is kept once for all of them. */
function request(api: RestApi, text: string): string {
  const shared = `${template('quote.vtl')}\n${template('trace.vtl')}\n`;
  return text.startsWith(shared) ? Fn.join('', [once(api, shared), once(api, text.slice(shared.length))]) : once(api, text);
}

/** A template that several methods have, kept once. */
function once(api: RestApi, text: string): string {
  const key = createHash('sha256').update(text).digest('hex').slice(0, 8);
  return lookUp(api, 'LongshoreTemplates', key, { [key]: text });
}

function model(api: RestApi, id: string, schema: object): IModel {
  const added = api.addModel(id, { contentType: 'application/json', schema: {} });
  // The construct writes schemas in its own spelling; ours are JSON schemas already.
  const resource = added.node.defaultChild as unknown as { schema: JsonSchema | object };
  resource.schema = schema;
  return added as Model;
}

function addKeyAndPlan(api: RestApi, stage: Stage, prefix: string, limit: number): string {
  const key = api.addApiKey('ApiKey', { description: `${prefix}: the first client` });
  const plan = api.addUsagePlan('UsagePlan', {
    name: `${prefix}-rest-api`,
    throttle: { rateLimit: limit, burstLimit: limit },
    apiStages: [{ api, stage }],
  });
  // The construct would name it by the path of the key, stack and all.
  new CfnUsagePlanKey(plan, 'Key', { keyId: key.keyId, keyType: 'API_KEY', usagePlanId: plan.usagePlanId });
  return key.keyId;
}
