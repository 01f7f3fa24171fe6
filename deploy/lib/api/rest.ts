// The REST API: validated requests, single and in batches, with mapped answers, keys and a usage plan.
import { createHash } from 'node:crypto';
import { Fn, Size } from 'aws-cdk-lib';
import {
  AuthorizationType,
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
import { addRestGate, type RestGate } from './authorizers.ts';
import { addPreflight, originParameters } from './cors.ts';
import { addRestDomain } from './domain.ts';
import { addGatewayResponses } from './gateway_responses.ts';
import { batch, message } from './models.ts';
import { needsKey, type RestApiOptions } from './options.ts';
import { answersOf, OPEN_ROUTE, QUEUE_URL, type Route, routes } from './rest_routes.ts';
import { type ApiParts, type MadeApi, queuePath } from './sqs_api.ts';
import { template } from './templates.ts';

/** What CloudWatch calls a REST API's metrics. */
const METRICS = { requests: 'Count', failures: '5XXError' };

/** Makes the API with its stage; with the id of its key, and where the record of its own name must point. */
export function addRestApi(scope: Construct, parts: ApiParts, options: RestApiOptions): MadeApi & { keyId: string | undefined } {
  const name = `${parts.prefix}-rest-api`;
  const { throttling = 100, authorization = 'AWS_IAM', domain, cors } = options;
  const hasKey = needsKey(options);
  const api = new RestApi(scope, 'RestApi', {
    restApiName: name,
    endpointTypes: [EndpointType.REGIONAL],
    cloudWatchRole: options.accountLogRole ?? true,
    deployOptions: { stageName: 'stage', variables: { [QUEUE_URL]: parts.queue.queueUrl }, tracingEnabled: true },
    ...(domain === undefined ? {} : { disableExecuteApiEndpoint: true }),
    ...(options.resourcePolicy === undefined ? {} : { policy: options.resourcePolicy }),
    ...(options.minimumCompressionSize === undefined ? {} : { minCompressionSize: Size.bytes(options.minimumCompressionSize) }),
  });
  const stage = configureStage(api, options, { destinationArn: parts.logs.logGroupArn, format: accessLogFormat('rest', authorization, hasKey) });
  addGatewayResponses(api, cors);
  addRoutes(api, parts, options, addRestGate(api, name, authorization));
  if (options.webAclArn !== undefined) new CfnWebACLAssociation(scope, 'Waf', { resourceArn: api.deploymentStage.stageArn, webAclArn: options.webAclArn });
  return {
    url: domain === undefined ? api.url : `https://${domain.name}/`,
    recordTarget: domain === undefined ? undefined : addRestDomain(scope, domain, api.restApiId, stage.ref),
    keyId: hasKey ? addKeyAndPlan(api, api.deploymentStage, parts.prefix, throttling) : undefined,
    metric: (of) => restApiMetric(name, of),
  };
}

/** A metric of the REST API of this name. */
export function restApiMetric(apiName: string, name: keyof typeof METRICS): Metric {
  return new Metric({ namespace: 'AWS/ApiGateway', metricName: METRICS[name], dimensionsMap: { ApiName: apiName } });
}

function configureStage(api: RestApi, { throttling = 100, routeThrottling = {}, stageName = 'prod' }: RestApiOptions, accessLogSetting: CfnStage.AccessLogSettingProperty): CfnStage {
  const stage = api.deploymentStage.node.defaultChild as CfnStage;
  const setting = (httpMethod: string, resourcePath: string, limit: number) => ({ httpMethod, resourcePath, metricsEnabled: true, throttlingRateLimit: limit, throttlingBurstLimit: limit });
  // The construct makes its id of the stage's name, which a parameter cannot be part of.
  stage.stageName = stageName;
  stage.methodSettings = [
    setting('*', '/*', throttling),
    ...Object.entries(routeThrottling).map(([route, limit]) => {
      const [method = '', path = ''] = route.split(' ');
      return setting(method, `/${path.replaceAll('/', '~1')}`, limit);
    }),
  ];
  stage.accessLogSetting = accessLogSetting;
  const deployment = api.latestDeployment?.node.defaultChild as CfnDeployment;
  deployment.description = undefined;
  // The stack has outputs of its own.
  api.node.tryRemoveChild('Endpoint');
  return stage;
}

function addRoutes(api: RestApi, { queue, role }: ApiParts, options: RestApiOptions, gate: RestGate): void {
  const { messageSchema, cors } = options;
  const validator = api.addRequestValidator('Validator', { validateRequestBody: true, validateRequestParameters: true });
  const models = { message: model(api, 'MessageModel', message(messageSchema)), batch: model(api, 'BatchModel', batch(messageSchema)) };
  const shared = { uri: queuePath(queue), role, gate, validator, models, options };
  const all = routes(queue.fifo, messageSchema !== undefined);
  for (const route of all) addRoute(api, route, shared);
  if (cors !== undefined) for (const { path, method } of all) addPreflight(api.root.resourceForPath(path), [method], cors);
}

interface Shared {
  readonly uri: string;
  readonly role: IRole;
  readonly gate: RestGate;
  readonly validator: IRequestValidator;
  readonly models: { readonly message: IModel; readonly batch: IModel };
  readonly options: RestApiOptions;
}

function addRoute(api: RestApi, route: Route, shared: Shared): void {
  const { parameter, path } = route;
  const { options } = shared;
  const isOpen = options.openQueueRoute === true && path === OPEN_ROUTE;
  api.root.resourceForPath(path).addMethod(route.method, sending(api, route, shared), {
    ...(isOpen ? { apiKeyRequired: false, authorizationType: AuthorizationType.NONE } : { apiKeyRequired: needsKey(options), ...shared.gate }),
    requestValidator: shared.validator,
    methodResponses: answersOf(route, (text) => text).map(({ statusCode }) => ({ statusCode, responseParameters: originParameters(options.cors, () => true) })),
    ...(parameter
      ? { requestParameters: { [`method.request.querystring.${parameter}`]: true } }
      : { requestModels: { 'application/json': shared.models[route.model ?? 'message'] } }),
  });
}

function sending(api: RestApi, route: Route, { uri, role, options: { cors } }: Shared): Integration {
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
      integrationResponses: answersOf(route, (text) => once(api, text)).map((answer) => ({ ...answer, responseParameters: originParameters(cors, (header) => header) })),
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
  // A deployment has the schema as it was, and the construct has not seen this one.
  api.latestDeployment?.addToLogicalId({ schema });
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
