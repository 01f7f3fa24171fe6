// The two APIs: their routes, their one role, and what they refuse.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { message } from '../lib/api/models.ts';
import { SHAPES } from './shapes.ts';
import { type Template, templateOf } from './template_of.ts';

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

it('what no template reads is refused, and what SQS answers is mapped', () => {
  for (const { Integration } of methods(templateOf('standard'))) {
    assert.equal(Integration.PassthroughBehavior, 'NEVER');
    const [done, ...failures] = Integration.IntegrationResponses.map(({ SelectionPattern, StatusCode }) => [SelectionPattern, StatusCode]);
    assert.equal(done?.[0], '2\\d{2}');
    assert.deepEqual(failures, [['4\\d{2}', '400'], ['5\\d{2}', '503']]);
  }
});

it('every request to the REST API has a key and a signature unless the settings open it', () => {
  assert.ok(methods(templateOf('standard')).every(({ ApiKeyRequired, AuthorizationType }) => ApiKeyRequired && AuthorizationType === 'AWS_IAM'));
  assert.ok(methods(templateOf('everything')).every(({ ApiKeyRequired, AuthorizationType }) => ApiKeyRequired && AuthorizationType === 'NONE'));
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
    assert.doesNotMatch(JSON.stringify([template.json['Mappings'], template.only('AWS::ApiGateway::Stage')]), /\$context\.requestId/);
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

it('a message is held to the schema of its owner, and else may be any JSON', () => {
  assert.deepEqual(Object.keys(message(undefined)), ['$schema', 'title']);
  assert.deepEqual(templateOf('everything').resource('RestApiMessageModel').Schema, { type: 'object', required: ['order'] });
});
