// The REST API: validated requests, single and in batches, with mapped answers, keys and a usage plan.
import { createHash } from 'node:crypto';
import { Fn } from 'aws-cdk-lib';
import {
  type AuthorizationType,
  Integration,
  IntegrationType,
  type CfnDeployment,
  type CfnStage,
  EndpointType,
  type IModel,
  type IRequestValidator,
  type JsonSchema,
  Model,
  PassthroughBehavior,
  RestApi,
  type Stage,
} from 'aws-cdk-lib/aws-apigateway';
import type { Role } from 'aws-cdk-lib/aws-iam';
import { CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2';
import type { Construct } from 'constructs';
import type { Names } from '../names.ts';
import { lookUp } from '../mapping.ts';
import { accessLogFormat } from './access_log.ts';
import { addGatewayResponses } from './gateway_responses.ts';
import type { HttpApiProps } from './http.ts';
import { BATCH, message } from './models.ts';
import { answersOf, QUEUE_URL, type Route, routes } from './rest_routes.ts';
import { template } from './templates.ts';

/** Makes the API with its stage; its name, its URL and the id of its key. */
export function addRestApi(scope: Construct, props: HttpApiProps): { name: string; url: string; keyId: string } {
  const { settings, names } = props;
  const api = new RestApi(scope, 'RestApi', {
    restApiName: names.restApi,
    endpointTypes: [EndpointType.REGIONAL],
    cloudWatchRole: true,
    deployOptions: {
      stageName: 'stage',
      variables: { [QUEUE_URL]: props.queue.url },
      tracingEnabled: true,
    },
  });
  const stage = api.deploymentStage.node.defaultChild as CfnStage;
  // The construct makes its id of the stage's name, which a parameter cannot be part of.
  stage.stageName = settings.STAGE;
  const throttle = { throttlingRateLimit: settings.API_THROTTLING, throttlingBurstLimit: settings.API_THROTTLING };
  stage.methodSettings = [{ httpMethod: '*', resourcePath: '/*', metricsEnabled: true, ...throttle }];
  stage.accessLogSetting = { destinationArn: props.logs.attrArn, format: accessLogFormat('rest') };
  const deployment = api.latestDeployment?.node.defaultChild as CfnDeployment;
  deployment.description = undefined;
  // The stack has outputs of its own.
  api.node.tryRemoveChild('Endpoint');
  addGatewayResponses(api);
  addRoutes(api, props);
  if (settings.WAF_ACL_ARN !== undefined) {
    new CfnWebACLAssociation(scope, 'Waf', { resourceArn: api.deploymentStage.stageArn, webAclArn: settings.WAF_ACL_ARN });
  }
  const keyId = addKeyAndPlan(api, api.deploymentStage, props);
  return { name: names.restApi, url: api.url, keyId };
}

function addRoutes(api: RestApi, { settings, names, role }: HttpApiProps): void {
  const validator = api.addRequestValidator('Validator', { validateRequestBody: true, validateRequestParameters: true });
  const models = { message: model(api, 'MessageModel', message(settings.MESSAGE_SCHEMA)), batch: model(api, 'BatchModel', BATCH) };
  for (const route of routes(settings)) addRoute(api, route, { role, settings, names, validator, models });
}

interface Shared extends Pick<HttpApiProps, 'role' | 'settings' | 'names'> {
  readonly validator: IRequestValidator;
  readonly models: { readonly message: IModel; readonly batch: IModel };
}

function addRoute(api: RestApi, route: Route, { role, settings, names, validator, models }: Shared): void {
  const { parameter } = route;
  api.root.resourceForPath(route.path).addMethod(route.method, sending(api, route, role, names), {
    apiKeyRequired: true,
    authorizationType: settings.API_AUTHORIZATION as AuthorizationType,
    requestValidator: validator,
    methodResponses: answersOf(route, (text) => text).map(({ statusCode }) => ({ statusCode })),
    ...(parameter
      ? { requestParameters: { [`method.request.querystring.${parameter}`]: true } }
      : { requestModels: { 'application/json': models[route.model ?? 'message'] } }),
  });
}

function sending(api: RestApi, route: Route, role: Role, { within, fifoSuffix }: Names): Integration {
  return new Integration({
    type: IntegrationType.AWS,
    uri: within('arn:${AWS::Partition}:apigateway:${AWS::Region}:sqs:path/${AWS::AccountId}/{prefix}-queue' + fifoSuffix),
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
  return lookUp(api, 'Templates', key, { [key]: text });
}

function model(api: RestApi, id: string, schema: object): IModel {
  const added = api.addModel(id, { contentType: 'application/json', schema: {} });
  // The construct writes schemas in its own spelling; ours are JSON schemas already.
  const resource = added.node.defaultChild as unknown as { schema: JsonSchema | object };
  resource.schema = schema;
  return added as Model;
}

function addKeyAndPlan(api: RestApi, stage: Stage, { settings, names }: HttpApiProps): string {
  const key = api.addApiKey('ApiKey', { description: names.within('{prefix}: the first client') });
  const plan = api.addUsagePlan('UsagePlan', {
    name: names.restApi,
    throttle: { rateLimit: settings.API_THROTTLING, burstLimit: settings.API_THROTTLING },
    apiStages: [{ api, stage }],
  });
  plan.addApiKey(key, { overrideLogicalId: 'RestApiUsagePlanKey' });
  return key.keyId;
}
