// The trace of a request on its way into the message, on real Apache Velocity: handed on, or left out, never mangled.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { IS_TEXT } from '../lib/api/rest_routes.ts';
import { template } from '../lib/api/templates.ts';
import { HOSTILE, mixed } from './velocity/hostile.ts';
import { type Case, SKIP_VELOCITY, render } from './velocity/render.ts';

const TEMPLATES = {
  single: template('send.vtl', { queueUrl: 'q' }),
  batch: template('send_batch.vtl', { queueUrl: 'q', isPlainText: IS_TEXT }),
  older: template('send_parameter.vtl', { queueUrl: 'q', fifoGroup: '' }),
};
const BODY = '[{"body": "x"}]';
const REQUEST_ID = { DataType: 'String', StringValue: 'the-request=' };

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;
const OF_PARENT = 'Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1';
const X_RAY = 'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0';
const OWN = '1-67891233-abcdef012345678912345678';

/** What is made of one message or entry: what SQS takes beside its body. */
interface Sent {
  readonly MessageBody: string;
  readonly MessageAttributes: Record<string, unknown>;
  readonly MessageSystemAttributes?: Record<string, { DataType: string; StringValue: string }>;
}

function sent(cases: readonly Case[]): Sent[] {
  return render(cases.map((one) => ({ ...one, body: BODY, querystring: { MessageBody: BODY } }))).map(({ text }) => {
    const { Entries, ...message } = JSON.parse(text) as Sent & { Entries?: [Sent] };
    return Entries?.[0] ?? message;
  });
}

const traceOf = ({ MessageSystemAttributes }: Sent) => MessageSystemAttributes?.['AWSTraceHeader']?.StringValue;

/** A request with these headers, and with a trace of API Gateway's where there is one. */
function of(kind: keyof typeof TEMPLATES, header: Record<string, string>, xrayTraceId?: string): Case {
  return { template: TEMPLATES[kind], header, context: xrayTraceId === undefined ? {} : { xrayTraceId } };
}

describe('traces', { skip: SKIP_VELOCITY }, () => {
  it('the trace of traceparent counts before that of X-Amzn-Trace-Id, and that before API Gateway\'s own', () => {
    const both = { TraceParent: PARENT, 'X-Amzn-Trace-Id': X_RAY };
    for (const kind of ['single', 'batch'] as const) {
      const found = sent([of(kind, both, OWN), of(kind, { 'x-amzn-trace-id': X_RAY }, OWN), of(kind, {}, OWN), of(kind, {})]);
      assert.deepEqual(found.map(traceOf), [OF_PARENT, X_RAY, `Root=${OWN}`, undefined], kind);
    }
  });

  it('a message of an older route has the trace of API Gateway', () => {
    assert.deepEqual(sent([of('older', { traceparent: PARENT }, OWN), of('older', {})]).map(traceOf), [`Root=${OWN}`, undefined]);
  });

  it('the flag of traceparent says whether the trace is sampled', () => {
    const flags = ['00', '01', '02', '03', 'fe', 'ff'];
    const found = sent(flags.map((flag) => of('single', { traceparent: PARENT.replace(/..$/, flag) })));
    assert.deepEqual(found.map((one) => traceOf(one)?.slice(-1)), ['0', '1', '0', '1', '0', '1']);
  });

  it('one message has traceparent and tracestate as attributes, too', () => {
    const state = 'vendor=it\'s "quoted" \\,other=1';
    const [both, stateAlone, batch] = sent([
      of('single', { traceparent: PARENT, tracestate: state }),
      of('single', { tracestate: state }),
      of('batch', { traceparent: PARENT, tracestate: state }),
    ]);
    const string = (value: string) => ({ DataType: 'String', StringValue: value });
    assert.deepEqual(both?.MessageAttributes, { traceparent: string(PARENT), tracestate: string(state), requestId: REQUEST_ID });
    assert.deepEqual(stateAlone?.MessageAttributes, { requestId: REQUEST_ID });
    assert.deepEqual(batch?.MessageAttributes, { requestId: REQUEST_ID });
  });

  it('an entry with nine attributes has ten with its request, and its trace beside them', () => {
    const attributes = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`a${index}`, 'v']));
    const [rendered] = render([{ ...of('batch', { traceparent: PARENT }), body: JSON.stringify([{ body: 'x', attributes }]) }]);
    const [entry] = (JSON.parse(rendered?.text ?? '') as { Entries: [Sent] }).Entries;
    assert.equal(Object.keys(entry.MessageAttributes).length, 10);
    assert.equal(traceOf(entry), OF_PARENT);
  });

  it('what has not the form of a trace is left out, whatever it is', () => {
    const nearly = [
      PARENT.toUpperCase(),
      PARENT + PARENT,
      `${PARENT}-00`,
      `${PARENT}\n`,
      ` ${PARENT}`,
      PARENT.slice(1),
      PARENT.replace('00-', 'ff-'),
      PARENT.replace(TRACE, '0'.repeat(32)),
      PARENT.replace('b7ad6b7169203331', '0'.repeat(16)),
      X_RAY + X_RAY,
      `${X_RAY}"`,
      `${X_RAY};Self=1-67891234-12456789abcdef012345678`,
      `${X_RAY}\n`,
      X_RAY.replace('Sampled=0', 'Sampled=?'),
      'Root=1',
      OWN,
    ];
    const texts = [...HOSTILE, ...mixed(200), ...nearly];
    for (const kind of ['single', 'batch', 'older'] as const) {
      const cases = texts.map((text) => of(kind, { traceparent: text, tracestate: text, 'X-Amzn-Trace-Id': text }, text === OWN ? '' : text));
      sent(cases).forEach((one, index) => {
        assert.deepEqual([traceOf(one), one.MessageAttributes], [undefined, { requestId: REQUEST_ID }], `${kind}: ${texts[index]}`);
      });
    }
  });

  it('any tracestate beside a trace arrives as it was sent, or not at all', () => {
    const texts = [...HOSTILE, ...mixed(200), 'x'.repeat(512), 'x'.repeat(513)];
    const found = sent(texts.map((tracestate) => of('single', { traceparent: PARENT, tracestate })));
    found.forEach(({ MessageAttributes }, index) => {
      const text = texts[index] ?? '';
      const isState = /^[ -~]{1,512}$/.test(text);
      const state = isState ? { tracestate: { DataType: 'String', StringValue: text } } : {};
      assert.deepEqual(MessageAttributes, { traceparent: { DataType: 'String', StringValue: PARENT }, ...state, requestId: REQUEST_ID });
    });
  });
});
