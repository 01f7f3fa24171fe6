// The committed templates in an emulator of AWS: a request through the API into the queue and through the worker.
//
// LocalStack 4.14 runs the REST API, SQS, IAM, KMS, SNS and the alarms' definitions; ECS, the HTTP API and scaling it only
// says to have made. It checks no signatures. It reads no headers by `keySet` and holds every body to the JSON model, so these are not
// tried here; engine.test.ts tries the headers.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { STACKS } from '../../app/names.ts';
import { file } from '../source.ts';
import { HOSTILE } from '../velocity/hostile.ts';
import { apiGateway, createStack, EMULATOR } from './emulator.ts';
import { startWorker, type Worker } from './worker.ts';

const STAGE = `t${Date.now().toString(36).slice(-6)}`;
const NOT_EMULATED = /^AWS::(ECS|ApiGatewayV2|ApplicationAutoScaling)::/;

let resources: Awaited<ReturnType<typeof createStack>>;
let worker: Worker;
let api: string;
let key: string;

before(async () => {
  const given = { ProjectName: 'orders', Stage: STAGE };
  const images = { Image: 'longshore', HandlerImage: 'handler' };
  resources = new Map();
  for (const kind of STACKS) {
    const made = await createStack(`orders-${STAGE}-${kind}-stack`, file(`deploy/stacks/${kind}.json`), kind === 'service' ? { ...given, ...images } : given);
    for (const [id, resource] of made) resources.set(id, resource);
  }
  const idOf = (type: string) => [...resources.values()].find((resource) => resource.type === type)?.physicalId ?? assert.fail(type);
  api = `${EMULATOR}/_aws/execute-api/${idOf('AWS::ApiGateway::RestApi')}/${STAGE}`;
  key = String((await apiGateway(`/apikeys/${idOf('AWS::ApiGateway::ApiKey')}?includeValue=true`))['value']);
  worker = await startWorker(resources.get('Queue')?.physicalId ?? assert.fail('no queue'));
});

after(async () => assert.equal(await worker.stop(), 0));

async function post(path: string, body: string, headers: Record<string, string> = {}): Promise<{ status: number; answer: any }> {
  const response = await fetch(`${api}/${path}`, { method: 'POST', body, headers: { 'content-type': 'application/json', 'x-api-key': key, ...headers } });
  return { status: response.status, answer: await response.json() };
}

async function get(path: string): Promise<{ status: number; answer: any }> {
  const response = await fetch(`${api}/${path}`, { headers: { 'x-api-key': key } });
  return { status: response.status, answer: await response.json() };
}

async function handled(expected: readonly string[]): Promise<void> {
  const missing = () => expected.filter((body) => !worker.bodies.includes(body));
  for (const deadline = Date.now() + 60_000; missing().length > 0 && Date.now() < deadline; ) await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(missing(), []);
}

it('every resource that the emulator knows is really there', () => {
  for (const [id, { type, physicalId }] of resources) assert.equal(physicalId === 'unknown', NOT_EMULATED.test(type), `${id} (${type}): ${physicalId}`);
  assert.ok(resources.size > 60);
});

it('a message goes through the API, the queue and the worker as it was sent', async () => {
  const bodies = HOSTILE.map((text) => text.slice(0, 10_000)).map((text, index) => `{"index": ${index}, "text":  ${JSON.stringify(text)}}`);
  for (const body of bodies) assert.equal((await post('v1/messages', body)).status, 202, body);
  await handled(bodies);
});

it('a batch goes through, and what SQS does not take of it is told', async () => {
  const all = await post('v1/messages/batch', JSON.stringify([{ body: `it's a batch` }, { id: 'z', body: { wrapped: [1, `it's`] }, attributes: { name: `it's` } }]));
  assert.deepEqual([all.status, all.answer.failed, all.answer.successful.map(({ id }: { id: string }) => id)], [202, [], ['0', 'z']]);
  const some = await post('v1/messages/batch', JSON.stringify({ entries: [{ body: '\u0001' }, { body: 'fine' }] }));
  assert.deepEqual([some.status, some.answer.failed[0].code, some.answer.successful[0].id], [207, 'InvalidMessageContents', '1']);
  await handled([`it's a batch`, 'fine']);
});

it('the older routes answer as they always have', async () => {
  assert.deepEqual(await get(`queue?message=${encodeURIComponent(`it's "older" \\`)}`), { status: 200, answer: { done: true } });
  const { answer } = await get('v1/send?MessageBody=older');
  assert.match(answer.SendMessageResponse.SendMessageResult.MessageId, /^[0-9a-f-]{36}$/);
  await handled([`it's "older" \\`, 'older']);
});

it('what cannot be sent is refused with a reason', async () => {
  const refused: [number, Promise<{ status: number; answer: any }>][] = [
    [400, post('v1/messages', 'no json')],
    [400, post('v1/messages/batch', '[]')],
    [400, post('v1/messages/batch', '[{"body": "x", "boby": 1}]')],
    [400, get('queue')],
    [413, post('v1/messages', JSON.stringify('x'.repeat(1 << 20)))],
    [403, post('v1/messages', '{}', { 'x-api-key': 'wrong' })],
  ];
  for (const [status, answer] of refused) assert.equal((await answer).status, status);
  const { status, answer } = await get('queue?message=%01');
  assert.deepEqual([status, answer.error.code], [400, 'InvalidMessageContents']);
});
