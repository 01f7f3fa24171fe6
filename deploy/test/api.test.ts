// The two APIs: their routes, their one role, and what they refuse.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { App, Stack } from 'aws-cdk-lib';
import type { RestApi } from 'aws-cdk-lib/aws-apigateway';
import { Function } from 'aws-cdk-lib/aws-lambda';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { Ajv } from 'ajv';
import { batch, message } from '../lib/api/models.ts';
import { type RestApiOptions, SqsApi } from '../lib/index.ts';
import { SHAPES } from './shapes.ts';
import { type Template, templateOf, templatesOf } from './template_of.ts';

interface LookUp {
  readonly 'Fn::FindInMap': readonly [string, string, string];
}

interface Method {
  readonly HttpMethod: string;
  readonly ApiKeyRequired: boolean;
  readonly AuthorizationType: string;
  readonly Integration: {
    readonly PassthroughBehavior: string;
    readonly Credentials: unknown;
    readonly RequestParameters: Record<string, string>;
    readonly RequestTemplates: Record<string, LookUp | { 'Fn::Join': ['', LookUp[]] }>;
    readonly IntegrationResponses: { StatusCode: string; SelectionPattern?: string }[];
  };
}

const REQUEST_ID = { requestId: { DataType: 'String', StringValue: '${context.requestId}' } };

const methods = (template: Template) => template.all('AWS::ApiGateway::Method').map(([, { Properties }]) => Properties as Method);

function requestTemplates(template: Template, method: Method): string[] {
  const tables = template.json['Mappings'] as Record<string, Record<string, Record<string, string>>>;
  const text = ({ 'Fn::FindInMap': [table, row, column] }: LookUp) => tables[table]?.[row]?.[column] ?? '';
  return Object.values(method.Integration.RequestTemplates).map((found) => ('Fn::Join' in found ? found['Fn::Join'][1].map(text).join('') : text(found)));
}

it('the REST API has the routes of the front door and the older ones', () => {
  const found = methods(templateOf('standard')).map(({ HttpMethod, Integration }) => `${HttpMethod} ${Integration.RequestParameters['integration.request.header.X-Amz-Target']}`);
  assert.deepEqual(found.sort(), [
    "GET 'AmazonSQS.SendMessage'",
    "GET 'AmazonSQS.SendMessage'",
    "POST 'AmazonSQS.SendMessage'",
    "POST 'AmazonSQS.SendMessageBatch'",
  ]);
});

it('what no template reads is refused, and what SQS answers is mapped by one answer each', () => {
  const mapped = (status: number) => ({ 2: 'done', 4: status === 413 ? '413' : '400', 5: '503' })[Math.floor(status / 100)];
  for (const { Integration } of methods(templateOf('standard'))) {
    assert.equal(Integration.PassthroughBehavior, 'NEVER');
    for (let status = 200; status < 600; status++) {
      const found = Integration.IntegrationResponses.filter(({ SelectionPattern = '' }) => new RegExp(`^(?:${SelectionPattern})$`).test(String(status)));
      assert.deepEqual(found.map(({ StatusCode }) => (StatusCode.startsWith('2') ? 'done' : StatusCode)), [mapped(status)].flatMap((one) => one ?? []), `${status}`);
    }
  }
});

it('every request to the REST API has a key and a signature unless the settings open it', () => {
  assert.ok(methods(templateOf('standard')).every(({ ApiKeyRequired, AuthorizationType }) => ApiKeyRequired && AuthorizationType === 'AWS_IAM'));
  assert.ok(methods(templateOf('everything')).every(({ ApiKeyRequired, AuthorizationType }) => ApiKeyRequired && AuthorizationType === 'NONE'));
  assert.ok(methods(templateOf('open')).every(({ ApiKeyRequired, AuthorizationType }) => !ApiKeyRequired && AuthorizationType === 'NONE'));
});

it('every request template names the queue of its stage', () => {
  const template = templateOf('standard');
  assert.deepEqual(template.only('AWS::ApiGateway::Stage').Variables, { queueUrl: { 'Fn::Sub': 'https://sqs.${AWS::Region}.${AWS::URLSuffix}/${AWS::AccountId}/orders-test-queue' } });
  for (const method of methods(template)) {
    for (const text of requestTemplates(template, method)) assert.match(text, /"QueueUrl":"\$stageVariables\.queueUrl"/);
  }
});

it('the older routes give each message a group of its own on a FIFO queue only', () => {
  const withGroup = (shape: string) =>
    methods(templateOf(shape))
      .filter(({ HttpMethod }) => HttpMethod === 'GET')
      .map((method) => requestTemplates(templateOf(shape), method)[0]?.includes('"MessageGroupId":"$context.extendedRequestId"'));
  assert.deepEqual([withGroup('standard'), withGroup('fifo')], [[false, false], [true, true]]);
});

it('both APIs write by one role, which may send to the queue and use its key and nothing else', () => {
  const template = templateOf('standard');
  const credentials = new Set([
    ...methods(template).map(({ Integration }) => JSON.stringify(Integration.Credentials)),
    ...template.all('AWS::ApiGatewayV2::Integration').map(([, { Properties }]) => JSON.stringify(Properties.CredentialsArn)),
  ]);
  assert.equal(credentials.size, 1);
  const [send, encrypt, ...others] = template.resource('ApiRole').Policies[0].PolicyDocument.Statement;
  assert.deepEqual([send.Action, send.Resource, others], ['sqs:SendMessage', { 'Fn::Sub': 'arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:orders-test-queue' }, []]);
  assert.deepEqual(encrypt.Action, ['kms:Decrypt', 'kms:GenerateDataKey']);
  assert.deepEqual(encrypt.Resource, { 'Fn::ImportValue': 'orders-test-key' });
});

it('API Gateway takes the role without a condition, since it tells neither account nor API: each request would be a 500', () => {
  for (const [id, { Properties }] of templateOf('standard').all('AWS::IAM::Role')) {
    const [{ Principal, Condition }] = Properties.AssumeRolePolicyDocument.Statement;
    assert.equal(Condition === undefined, Principal.Service === 'apigateway.amazonaws.com', id);
  }
});

it('the HTTP API sends whole bodies, each with the id of its request', () => {
  const integrations = templateOf('standard').all('AWS::ApiGatewayV2::Integration').map(([, { Properties }]) => Properties);
  assert.ok(integrations.every(({ IntegrationSubtype, PayloadFormatVersion }) => IntegrationSubtype === 'SQS-SendMessage' && PayloadFormatVersion === '1.0'));
  assert.deepEqual(integrations.map(({ RequestParameters }) => RequestParameters.MessageBody).sort(), ['$request.body', '$request.querystring.MessageBody']);
  const attributes = integrations.map(({ RequestParameters }) => JSON.parse(RequestParameters.MessageAttributes));
  assert.deepEqual(attributes, [REQUEST_ID, REQUEST_ID]);
});

it('nothing that a client writes gets into JSON unescaped', () => {
  for (const shape of Object.keys(SHAPES)) {
    const template = templateOf(shape);
    for (const [id, { Properties }] of template.all('AWS::ApiGatewayV2::Integration')) {
      for (const [name, value] of Object.entries<unknown>(Properties.RequestParameters)) {
        const isJson = typeof value === 'string' && value.startsWith('{');
        if (isJson) assert.deepEqual(value.match(/\$\{?[\w.-]+/g), ['${context.requestId'], `${shape}: ${id}: ${name}`);
      }
    }
    // A client of a REST API may choose the request's id by a header, not the extended one.
    assert.doesNotMatch(JSON.stringify([template.json['Mappings'], template.all('AWS::ApiGateway::Stage')]), /\$context\.requestId/);
  }
});

it('the HTTP API names a group on a FIFO queue only', () => {
  const groups = (shape: string) => templateOf(shape).all('AWS::ApiGatewayV2::Integration').map(([, { Properties }]) => Properties.RequestParameters.MessageGroupId);
  assert.deepEqual(groups('standard'), [undefined, undefined]);
  assert.deepEqual(groups('fifo').sort(), ['$context.requestId', '$request.header.x-message-group-id']);
});

it('both APIs are throttled and logged, and logs hold no message', () => {
  const template = templateOf('standard');
  const [rest, http] = [template.only('AWS::ApiGateway::Stage'), template.only('AWS::ApiGatewayV2::Stage')];
  assert.equal(rest.MethodSettings[0].ThrottlingRateLimit, 100);
  assert.equal(http.DefaultRouteSettings.ThrottlingRateLimit, 100);
  assert.deepEqual(template.only('AWS::ApiGateway::UsagePlan').Throttle, { BurstLimit: 100, RateLimit: 100 });
  for (const { Format } of [rest.AccessLogSetting, http.AccessLogSettings]) {
    assert.match(Format, /"requestId":"\$context\.(extendedR|r)equestId"/);
    assert.doesNotMatch(Format, /input|body|header|querystring/i);
  }
  assert.equal(rest.MethodSettings[0].DataTraceEnabled, undefined);
});

it('what API Gateway refuses by itself has the shape of every other refusal', () => {
  for (const [, { Properties }] of templateOf('standard').all('AWS::ApiGateway::GatewayResponse')) {
    const text: string = Properties.ResponseTemplates['application/json'];
    const filled = text.replace('$context.error.responseType', 'THROTTLED').replace('$context.error.messageString', '"too many"');
    assert.deepEqual(JSON.parse(filled), { error: { code: 'THROTTLED', message: 'too many' } });
  }
});

it('a web ACL is in front of the REST API where there is one', () => {
  assert.equal(templateOf('standard').all('AWS::WAFv2::WebACLAssociation').length, 0);
  assert.match(templateOf('everything').only('AWS::WAFv2::WebACLAssociation').WebACLArn, /webacl/);
});

it('there are the APIs that the settings name, and the fleet is woken by these', () => {
  const arrivals = (shape: string) => templateOf(shape).resource('FromZeroAlarm').Metrics.filter(({ Id }: { Id: string }) => Id.startsWith('arrivals')).length;
  const there = (shape: string) => [templateOf(shape).all('AWS::ApiGateway::RestApi').length, templateOf(shape).all('AWS::ApiGatewayV2::Api').length, arrivals(shape)];
  assert.deepEqual(['standard', 'office', 'http', 'none'].map(there), [[1, 1, 2], [1, 0, 1], [0, 1, 1], [0, 0, 0]]);
  assert.equal(templatesOf('none').api.all('AWS::IAM::Role').length, 0);
  assert.doesNotMatch(JSON.stringify(templatesOf('none').service.json), /http-api-id/);
});

describe('a message schema', () => {
  const schema = { $schema: 'http://json-schema.org/draft-04/schema#', definitions: { order: { type: 'integer' } }, type: 'object', properties: { order: { $ref: '#/definitions/order' }, next: { $ref: '#' } }, required: ['order'] };
  const compiled = (one: object) => new Ajv({ strict: false }).compile({ ...one, $schema: undefined });
  const [alone, inBatch] = [compiled(message(JSON.stringify(schema))), compiled(batch(JSON.stringify(schema)))];

  it('is what a message is held to, and without one it may be any JSON', () => {
    assert.deepEqual(Object.keys(message(undefined)), ['$schema', 'title']);
    assert.deepEqual(templateOf('everything').resource('RestApiMessageModel').Schema, { type: 'object', required: ['order'] });
  });

  it('is what each body of a batch is held to, with what it refers to', () => {
    const bodies: [unknown, boolean][] = [[{ order: 7 }, true], [{ order: 7, next: { order: 8 } }, true], [{ order: '7' }, false], [{}, false], ['{"order": 7}', false], [{ order: 7, next: {} }, false]];
    for (const [body, isFine] of bodies) {
      const found = [alone(body), inBatch([{ body }]), inBatch({ entries: [{ body: { order: 1 } }, { body }] })];
      assert.deepEqual(found, [isFine, isFine, isFine], JSON.stringify(body));
    }
  });

  it('leaves no route that is not held to it', () => {
    const all = methods(templateOf('everything'));
    assert.deepEqual(all.map(({ HttpMethod, Integration }) => [HttpMethod, Object.keys(Integration.RequestTemplates)]), [['POST', ['application/json']], ['POST', ['application/json']]]);
    const [, batches = assert.fail('no batches')] = all;
    assert.doesNotMatch(requestTemplates(templateOf('everything'), batches).join(''), /\$body\.startsWith/, 'a text in a batch is sent as JSON');
    assert.equal(templateOf('everything').all('AWS::ApiGatewayV2::Api').length, 0);
  });

  it('that changes makes a new deployment', () => {
    const [object, array, same] = ['object', 'array', 'object'].map((type) => deploymentOf(() => ({ messageSchema: `{"type": "${type}"}` })));
    assert.equal(object, same);
    assert.notEqual(object, array);
  });
});

/** The deployment of a REST API that is told so. */
function deploymentOf(rest: (stack: Stack) => RestApiOptions): string {
  const stack = new Stack(new App());
  new SqsApi(stack, 'Api', { prefix: 'team', queue: new Queue(stack, 'Queue'), http: false, rest: { accountLogRole: false, ...rest(stack) } });
  return JSON.stringify(stack.resolve((stack.node.findChild('Api').node.findChild('RestApi') as RestApi).latestDeployment?.deploymentId));
}

describe('who may call', () => {
  const gates = (shape: string) => methods(templateOf(shape)).filter(({ HttpMethod }) => HttpMethod !== 'OPTIONS');
  const formats = (shape: string) => [templateOf(shape).only('AWS::ApiGateway::Stage').AccessLogSetting.Format, templateOf(shape).only('AWS::ApiGatewayV2::Stage').AccessLogSettings.Format];

  it('may be whoever has a token of a user pool, or of an issuer', () => {
    assert.ok(gates('doors').every(({ AuthorizationType }) => ['NONE', 'COGNITO_USER_POOLS'].includes(AuthorizationType)));
    const closed = templateOf('doors').all('AWS::ApiGateway::Method').filter(([, { Properties }]) => Properties.AuthorizationType === 'COGNITO_USER_POOLS');
    assert.deepEqual(closed.map(([, { Properties }]) => Properties.AuthorizationScopes), [['orders/send'], ['orders/send'], ['orders/send']]);
    const routes = templateOf('doors').all('AWS::ApiGatewayV2::Route').map(([, { Properties }]) => Properties);
    assert.deepEqual(routes.map(({ AuthorizationType, AuthorizationScopes }) => [AuthorizationType, AuthorizationScopes]), [['JWT', ['send']], ['JWT', ['send']]]);
    assert.deepEqual(templateOf('doors').only('AWS::ApiGatewayV2::Authorizer').JwtConfiguration, { Audience: ['orders'], Issuer: 'https://issuer.example.com/' });
  });

  it('is everyone at GET /queue where the owner says so, without a key, and nowhere else', () => {
    for (const shape of ['doors', 'lambda']) {
      const open = templateOf(shape).all('AWS::ApiGateway::Method').filter(([, { Properties }]) => Properties.AuthorizationType === 'NONE' && Properties.HttpMethod !== 'OPTIONS');
      assert.deepEqual(open.map(([id, { Properties }]) => [id, Properties.ApiKeyRequired]), [['RestApiqueueGET', false]], shape);
    }
    assert.ok(gates('standard').every(({ AuthorizationType }) => AuthorizationType === 'AWS_IAM'));
  });

  it('may be said by a function, which both APIs alone may call for it', () => {
    const template = templateOf('lambda');
    const closed = gates('lambda').filter(({ AuthorizationType }) => AuthorizationType !== 'NONE');
    assert.equal(closed.length, 3);
    assert.ok(closed.every(({ AuthorizationType, ApiKeyRequired }) => AuthorizationType === 'CUSTOM' && ApiKeyRequired));
    const [rest, http] = [template.only('AWS::ApiGateway::Authorizer'), template.only('AWS::ApiGatewayV2::Authorizer')];
    assert.deepEqual([rest.Type, rest.IdentitySource, rest.AuthorizerResultTtlInSeconds], ['REQUEST', 'method.request.header.X-Token', 0]);
    assert.deepEqual([http.AuthorizerType, http.AuthorizerPayloadFormatVersion, http.AuthorizerResultTtlInSeconds], ['REQUEST', '1.0', 300]);
    const sources = template.all('AWS::Lambda::Permission').map(([, { Properties }]) => JSON.stringify(Properties.SourceArn));
    assert.equal(sources.length, 2);
    for (const source of sources) assert.match(source, /execute-api:.*\/authorizers\/\*/);
  });

  it('is part of the deployment: another one makes a new deployment', () => {
    const by = (name: string, header: string) =>
      deploymentOf((stack) => ({ authorization: { authorizer: Function.fromFunctionArn(stack, 'Door', `arn:aws:lambda:eu-west-1:123456789012:function:${name}`), header } }));
    const made = [by('door', 'X-Token'), by('gate', 'X-Token'), by('door', 'X-Key')];
    assert.equal(new Set(made).size, 3);
    assert.equal(by('door', 'X-Token'), made[0]);
  });

  it('is named in the access log, by what no client writes', () => {
    const principals: [string, string, string][] = [
      ['standard', '$context.identity.userArn', '$context.identity.userArn'],
      ['doors', '$context.authorizer.claims.sub', '$context.authorizer.claims.sub'],
      ['lambda', '$context.authorizer.principalId', '$context.authorizer.principalId'],
    ];
    for (const [shape, ...expected] of principals) assert.deepEqual(formats(shape).map((format) => JSON.parse(format).principal), expected, shape);
    assert.equal(JSON.parse(formats('standard')[0]).apiKeyId, '$context.identity.apiKeyId');
    assert.equal(JSON.parse(templateOf('everything').only('AWS::ApiGateway::Stage').AccessLogSetting.Format).principal, undefined);
  });

  it('is limited by a policy of the API where there is one', () => {
    assert.deepEqual(templateOf('office').only('AWS::ApiGateway::RestApi').Policy.Statement[0].Condition, { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } });
    assert.equal(templateOf('standard').only('AWS::ApiGateway::RestApi').Policy, undefined);
  });
});

describe('the door', () => {
  const template = templateOf('doors');

  it('has limits for single routes', () => {
    const [all, batches] = template.only('AWS::ApiGateway::Stage').MethodSettings;
    assert.deepEqual([all.ResourcePath, batches.HttpMethod, batches.ResourcePath, batches.ThrottlingRateLimit], ['/*', 'POST', '/~1v1~1messages~1batch', 10]);
    assert.deepEqual(template.only('AWS::ApiGatewayV2::Stage').RouteSettings, { 'GET /v1/send': { DetailedMetricsEnabled: true, ThrottlingBurstLimit: 5, ThrottlingRateLimit: 5 } });
  });

  it('has a name of its own, by mutual TLS, and no other address', () => {
    for (const [of, domain] of [['AWS::ApiGateway::RestApi', 'AWS::ApiGateway::DomainName'], ['AWS::ApiGatewayV2::Api', 'AWS::ApiGatewayV2::DomainName']] as const) {
      assert.equal(template.only(of).DisableExecuteApiEndpoint, true);
      assert.deepEqual(template.only(domain).MutualTlsAuthentication, { TruststoreUri: 's3://orders-trust/clients.pem' });
    }
    const outputs = templatesOf('doors').api.json['Outputs'] as Record<string, { Value: unknown }>;
    assert.deepEqual([outputs['RestApiUrl']?.Value, outputs['HttpApiUrl']?.Value], ['https://rest.example.com/', 'https://http.example.com']);
    assert.ok(outputs['RestRecordTarget'] && outputs['HttpRecordTarget']);
  });

  it('lets browsers call it from pages of one origin, with every answer, and answers what they ask before', () => {
    const all = template.all('AWS::ApiGateway::Method').map(([, { Properties }]) => Properties);
    const preflights = all.filter(({ HttpMethod }) => HttpMethod === 'OPTIONS');
    assert.deepEqual([preflights.length, all.length], [4, 8]);
    // Whoever has a key or a token does not show it with the question.
    assert.ok(preflights.every(({ ApiKeyRequired, AuthorizationType }) => ApiKeyRequired === false && AuthorizationType === 'NONE'));
    for (const { Integration } of all) {
      for (const { ResponseParameters } of Integration.IntegrationResponses) assert.equal(ResponseParameters['method.response.header.Access-Control-Allow-Origin'], "'https://shop.example.com'");
    }
    for (const [, { Properties }] of template.all('AWS::ApiGateway::GatewayResponse')) assert.equal(Properties.ResponseParameters['gatewayresponse.header.Access-Control-Allow-Origin'], "'https://shop.example.com'");
    assert.deepEqual(template.only('AWS::ApiGatewayV2::Api').CorsConfiguration.AllowOrigins, ['https://shop.example.com', 'https://desk.example.com']);
    assert.doesNotMatch(JSON.stringify(templateOf('standard').json), /Access-Control/);
  });

  it('compresses on request only', () => {
    assert.deepEqual([template, templateOf('standard')].map((one) => one.only('AWS::ApiGateway::RestApi').MinimumCompressionSize), [1024, undefined]);
  });

  it('logs into a vended group, whose key lets it, and the stage waits for the role of the account', () => {
    const standard = templateOf('standard');
    assert.equal(standard.resource('ApiLogs').LogGroupName, '/aws/vendedlogs/longshore/orders-test/api');
    assert.match(JSON.stringify(standard.resource('Key').KeyPolicy), /log-group:\/aws\/vendedlogs\/longshore\/orders-test\/\*/);
    const [[, stage] = assert.fail('no stage')] = standard.all('AWS::ApiGateway::Stage');
    assert.ok([stage.DependsOn].flat().includes('RestApiAccount'));
    assert.deepEqual(['there', 'http', 'standard'].map((shape) => templateOf(shape).all('AWS::ApiGateway::Account').length), [0, 0, 1]);
  });
});
