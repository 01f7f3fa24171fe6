// Settings: ranges, and all problems at once.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { readSettings, SettingsError } from '../app/read_settings.ts';
import { eachSetting } from '../app/settings.ts';
import { SHAPES } from './shapes.ts';

const FINE = SHAPES['standard'] ?? {};

function problems(texts: Record<string, string>): readonly string[] {
  try {
    readSettings({ ...FINE, ...texts });
    return [];
  } catch (error) {
    assert.ok(error instanceof SettingsError);
    return error.problems;
  }
}

it('what is not given is the default', () => {
  const settings = readSettings(FINE);
  assert.deepEqual([settings.QUEUE_RETENTION, settings.DLQ_RETRIES, settings.BATCH_SIZE, settings.FIFO], [4, 5, 1, 'no']);
});

it('all problems are told at once, each with its name, its value and what is allowed', () => {
  const found = problems({ PROJECT_NAME: 'Orders', QUEUE_RETENTION: '14', BATCH_SIZE: '0', FIFO: 'maybe' });
  assert.deepEqual(found, [
    'PROJECT_NAME is "Orders": it must be 1 to 24 lower-case letters, digits and hyphens, a letter first',
    'QUEUE_RETENTION is "14": it must be 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13',
    'BATCH_SIZE is "0": it must be a whole number from 1 to 10',
    'FIFO is "maybe": it must be no, yes',
  ]);
});

it('what must be given is asked for', () => {
  assert.throws(() => readSettings({}), /PROJECT_NAME is missing: .*\n {2}IMAGE is missing/);
});

it('settings that do not fit each other are refused', () => {
  const refused: [Record<string, string>, RegExp][] = [
    [{ MIN_TASKS: '5', MAX_TASKS: '4' }, /MIN_TASKS is larger than MAX_TASKS/],
    [{ ECS_ROLE: 'make', DETAILS: '{"existing": {"cluster": "shared"}}' }, /ECS_ROLE=make goes with a cluster that is made here/],
    [{ CPU: '256', MEMORY: '4096' }, /with CPU 256 Fargate takes 512 to 2048 in steps of 512/],
    [{ CPU: '256', MEMORY: '1536' }, /with CPU 256/],
    [{ NETWORK: 'existing' }, /VPC_ID goes with NETWORK=existing/],
    [{ VPC_ID: 'vpc-0123456789abcdef0' }, /VPC_ID goes with NETWORK=existing/],
    [{ SECURITY_GROUP_IDS: 'sg-0123456789abcdef0' }, /SECURITY_GROUP_IDS goes with NETWORK=existing/],
    [{ HANDLER: '{"kind": "exec"}' }, /either HANDLER_IMAGE/],
    [{ HANDLER_IMAGE: '' }, /either HANDLER_IMAGE/],
    [{ HANDLER_IMAGE: '', HANDLER: '{kind}' }, /HANDLER is not JSON/],
    [{ HANDLER_IMAGE: '', HANDLER: '{"kind": "exec", "command": ["sh", "-c", "a,b"]}' }, /HANDLER's command is neither/],
    [{ HANDLER_IMAGE: '', HANDLER: '{"kind": "exec", "env": {"A": "1"}}' }, /HANDLER's env is neither/],
    [{ MESSAGE_SCHEMA: '{]}' }, /MESSAGE_SCHEMA is not JSON/],
    [{ MESSAGE_SCHEMA: '{}' }, /rest: a schema of messages goes with no HTTP API/],
    [{ MESSAGE_SCHEMA: '{}', APIS: 'http' }, /MESSAGE_SCHEMA goes with a REST API, and APIS is http/],
    [{ WAF_ACL_ARN: 'arn:aws:wafv2:eu-west-1:1:regional/webacl/a/b' }, /rest: a web ACL goes with no HTTP API/],
    [{ HTTP_AUTHORIZATION: 'NONE' }, /http: everyone may call it, beside a REST API that is closed/],
    [{ HTTP_AUTHORIZATION: 'NONE', REST_AUTHORIZATION: 'KEY' }, /http: everyone may call it, beside a REST API that is closed/],
    [{ REST_AUTHORIZATION: 'NONE' }, /rest: everyone may call it, beside an HTTP API that is closed/],
    [{ REST_AUTHORIZATION: 'COGNITO' }, /REST_AUTHORIZATION=COGNITO goes with rest\.authorizer\.userPools of DETAILS/],
    [{ HTTP_AUTHORIZATION: 'JWT', DETAILS: '{"http": {"authorizer": {"issuer": "https://i"}}}' }, /HTTP_AUTHORIZATION=JWT goes with http\.authorizer\.audience/],
    [{ DETAILS: '{"rest": {"authorizer": {"userPools": []}}}' }, /rest\.authorizer goes with another REST_AUTHORIZATION than AWS_IAM/],
    [{ APIS: 'rest', DETAILS: '{"http": {}}' }, /http goes with an HTTP API, and APIS is rest/],
    [{ DETAILS: '{"rest": {"throttling": {"POST /queue": 5}}}' }, /rest: a limit for "POST \/queue", which it has not: there are POST \/v1\/messages,/],
    [{ DETAILS: '{"rest": {"cors": {"origins": ["https://a.example", "https://b.example"]}}}' }, /rest: 2 origins for CORS: it takes one/],
    [{ APIS: 'rest', MESSAGE_SCHEMA: '{}', DETAILS: '{"rest": {"openQueueRoute": true}}' }, /rest: GET \/queue cannot be open beside a schema/],
  ];
  for (const [texts, expected] of refused) assert.match(problems(texts).join('\n'), expected, JSON.stringify(texts));
});

it('every default is within its own range', () => {
  for (const [name, setting] of eachSetting()) {
    if (setting.fallback !== undefined) assert.equal(setting.parse(String(setting.fallback)), setting.fallback, name);
  }
});
