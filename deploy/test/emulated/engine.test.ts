// The mapping template for messages on LocalStack's engine, which takes less of the language than Velocity: what passes on both is likely
// to pass on API Gateway's. LocalStack itself gives that engine no headers, so here it gets them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { template } from '../../lib/api/templates.ts';
import { HOSTILE, mixed } from '../velocity/hostile.ts';
import type { Case } from '../velocity/render.ts';

const PYTHON = process.env['LONGSHORE_LOCALSTACK_PYTHON'];
const skip = PYTHON === undefined ? 'only with a LocalStack of our own' : false;
const PROGRAM = fileURLToPath(new URL('../../../test/emulated/render.py', import.meta.url));
const SEND = template('send.vtl', { queueUrl: 'q' });
/** A text of blanks alone becomes `{}` there. */
const TEXTS = [...HOSTILE, ...mixed(200)].filter((text) => text.trim() !== '');
const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const OWN = '1-67891233-abcdef012345678912345678';

function rendered(cases: readonly Case[]): unknown[] {
  const input = cases.map((one) => `${JSON.stringify(one)}\n`).join('');
  const run = spawnSync(PYTHON ?? '', [PROGRAM], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(run.status, 0, run.stderr);
  return run.stdout.trimEnd().split('\n').map((line) => JSON.parse((JSON.parse(line) as { text: string }).text) as unknown);
}

const string = (value: string) => ({ DataType: 'String', StringValue: value });

it('any body and any header arrives as it was sent, and nothing beside it', { skip }, () => {
  const found = rendered(TEXTS.map((text) => ({ template: SEND, body: text, header: { 'X-Message-Group-Id': text, 'x-request-id': text } })));
  found.forEach((request, index) => {
    const text = TEXTS[index] ?? '';
    assert.deepEqual(request, { QueueUrl: 'q', MessageBody: text, MessageGroupId: text, MessageAttributes: { requestId: string(text) } });
  });
});

it('what has not the form of a trace is left out, and what has is handed on', { skip }, () => {
  const cases = [PARENT, ...TEXTS].map((text) => ({ template: SEND, body: 'x', header: { TraceParent: text }, context: { xrayTraceId: OWN } }));
  const [traced, ...others] = rendered(cases) as { MessageSystemAttributes: unknown }[];
  const trace = (value: string) => ({ AWSTraceHeader: string(value) });
  assert.deepEqual(traced?.MessageSystemAttributes, trace('Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1'));
  for (const { MessageSystemAttributes } of others) assert.deepEqual(MessageSystemAttributes, trace(`Root=${OWN}`));
});
