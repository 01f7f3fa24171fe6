// The mapping templates on real Apache Velocity: whatever a client writes stays where it belongs.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { IS_TEXT } from '../lib/api/rest_routes.ts';
import { template } from '../lib/api/templates.ts';
import { HOSTILE, mixed } from './velocity/hostile.ts';
import { type Case, SKIP_VELOCITY, render } from './velocity/render.ts';

const QUEUE = 'https://sqs.eu-west-1.amazonaws.com/123456789012/orders-dev-queue';
const SEND = template('send.vtl', { queueUrl: QUEUE });
const BATCH = template('send_batch.vtl', { queueUrl: QUEUE, isPlainText: IS_TEXT });
const TEXTS = [...HOSTILE, ...mixed(400)];
const REQUEST_ID = { DataType: 'String', StringValue: 'the-request=' };
const OLDER = template('send_parameter.vtl', { queueUrl: QUEUE, fifoGroup: '' });

/** What SQS would read. */
function read(cases: readonly Case[]): Record<string, unknown>[] {
  return render(cases).map(({ text }) => JSON.parse(text) as Record<string, unknown>);
}

const string = (value: string) => ({ DataType: 'String', StringValue: value });

describe('templates', { skip: SKIP_VELOCITY }, () => {
  it('any body arrives as it was sent, and nothing beside it', () => {
    const requests = read(TEXTS.map((body) => ({ template: SEND, body })));
    TEXTS.forEach((body, index) => {
      assert.deepEqual(requests[index], { QueueUrl: QUEUE, MessageBody: body, MessageAttributes: { requestId: REQUEST_ID } });
    });
  });

  it('an empty body arrives as an empty object, as AWS has it', () => {
    assert.equal(read([{ template: SEND, body: '' }])[0]?.['MessageBody'], '{}');
  });

  it('any header arrives as it was sent, and nothing beside it', () => {
    const names = ['X-Message-Group-Id', 'x-message-deduplication-id', 'X-Request-Id'];
    const headers = (value: string) => Object.fromEntries(names.map((name) => [name, value]));
    const requests = read(TEXTS.map((value) => ({ template: SEND, body: 'x', header: headers(value) })));
    TEXTS.forEach((value, index) => {
      assert.deepEqual(requests[index], {
        QueueUrl: QUEUE,
        MessageBody: 'x',
        MessageGroupId: value,
        MessageDeduplicationId: value,
        MessageAttributes: { requestId: string(value) },
      });
    });
  });

  it('empty headers and headers that only look alike are as good as none', () => {
    const header = { traceparent: '', 'X-Request-Id': '', 'x-traceparent': 'no', 'traceparent-x': 'no', 'X-Message-Delay-Seconds': '' };
    const [request] = read([{ template: SEND, body: 'x', header }]);
    assert.deepEqual(request, { QueueUrl: QUEUE, MessageBody: 'x', MessageAttributes: { requestId: REQUEST_ID } });
  });

  it('a delay is a number only when it is written in digits', () => {
    const delays = ['0', '900', '901', '-1', '1e2', '9"', '9, "MessageBody": "other"', '9}', ' 9'];
    const requests = read(delays.map((delay) => ({ template: SEND, body: 'x', header: { 'x-message-delay-seconds': delay } })));
    assert.deepEqual(
      requests.map((request) => request['DelaySeconds']),
      [0, 900, 901, ...delays.slice(3)],
    );
    for (const request of requests) assert.equal(request['MessageBody'], 'x');
  });

  it('any parameter of the older routes arrives as it was sent', () => {
    const querystring = (text: string) => ({ message: text, MessageBody: `not ${text}` });
    const requests = read(TEXTS.map((text) => ({ template: OLDER, querystring: querystring(text), context: { resourcePath: '/queue' } })));
    TEXTS.forEach((message, index) => {
      assert.deepEqual(requests[index], { QueueUrl: QUEUE, MessageBody: message, MessageAttributes: { requestId: REQUEST_ID } });
    });
    const [other] = read([{ template: OLDER, querystring: querystring('x'), context: { resourcePath: '/v1/send' } }]);
    assert.equal(other?.['MessageBody'], 'not x');
  });

  it('any text of a batch arrives as it was sent, and nothing beside it', () => {
    const cases = TEXTS.map((text) => {
      const entry = { id: 'a', body: text, groupId: text, deduplicationId: text, delaySeconds: 9, attributes: { name: text } };
      // JsonPath's reader of JSON drops a bare U+007F, which is no character for a message anyone needs.
      return { template: BATCH, body: JSON.stringify([entry, { body: 'y' }]).replaceAll('\u007f', '\\u007f') };
    });
    read(cases).forEach((request, index) => {
      const text = TEXTS[index] ?? '';
      assert.deepEqual(request['Entries'], [
        {
          Id: 'a',
          MessageBody: text,
          MessageGroupId: text,
          MessageDeduplicationId: text,
          DelaySeconds: 9,
          MessageAttributes: { requestId: REQUEST_ID, name: string(text) },
        },
        { Id: '1', MessageBody: 'y', MessageAttributes: { requestId: REQUEST_ID } },
      ]);
    });
  });

  it('a body of a batch that is no text arrives as JSON of the same value', () => {
    const bodies = [{ a: [1, `it's "\\`] }, [], 7, null, true, { $: '#end' }];
    const [bare, wrapped] = read([
      { template: BATCH, body: JSON.stringify(bodies.map((body) => ({ body }))) },
      { template: BATCH, body: JSON.stringify({ entries: bodies.map((body) => ({ body })) }) },
    ]);
    const entries = bare?.['Entries'] as { MessageBody: string }[];
    assert.deepEqual(entries.map((entry) => JSON.parse(entry.MessageBody) as unknown), bodies);
    assert.deepEqual(wrapped, bare);
  });

  it('a delay in a batch that is no number is not written as one', () => {
    const delays = ['9, "MessageBody": "other"', '9}', { a: 1 }, -1, 1.5];
    const requests = read(delays.map((delaySeconds) => ({ template: BATCH, body: JSON.stringify([{ body: 'x', delaySeconds }]) })));
    for (const { Entries } of requests) {
      const [entry] = Entries as { MessageBody: string; DelaySeconds: unknown }[];
      assert.deepEqual([entry?.MessageBody, entry?.DelaySeconds], ['x', '']);
    }
  });

  it('an entry that has a requestId of its own keeps it, and has one only', () => {
    const [{ text } = { text: '' }] = render([{ template: BATCH, body: JSON.stringify([{ body: 'x', attributes: { requestId: `it's`, b: 'c' } }]) }]);
    assert.equal(text.match(/"requestId"/g)?.length, 1);
    const [entry] = (JSON.parse(text) as { Entries: { MessageAttributes: unknown }[] }).Entries;
    assert.deepEqual(entry?.MessageAttributes, { requestId: string(`it's`), b: string('c') });
  });

  it('a name of an attribute stays a name', () => {
    const name = `'", "x": {"DataType": "String", "StringValue": "y"}, "`;
    const [request] = read([{ template: BATCH, body: JSON.stringify([{ body: 'x', attributes: { [name]: 'v' } }]) }]);
    const [entry] = request?.['Entries'] as { MessageAttributes: unknown }[];
    assert.deepEqual(entry?.MessageAttributes, { requestId: REQUEST_ID, [name]: string('v') });
  });

  it('the answers have the shapes of the front door', () => {
    const answer = JSON.stringify({ MessageId: 'id', MD5OfMessageBody: 'md5', SequenceNumber: '18' });
    const [sent, done, older] = read(['sent.vtl', 'sent_done.vtl', 'sent_older.vtl'].map((name) => ({ template: template(name), body: answer })));
    assert.deepEqual(sent, { messageId: 'id', md5OfBody: 'md5' });
    assert.deepEqual(done, { done: true });
    assert.deepEqual(older, {
      SendMessageResponse: {
        ResponseMetadata: { RequestId: 'the-request=' },
        SendMessageResult: { MD5OfMessageAttributes: null, MD5OfMessageBody: 'md5', MessageId: 'id', SequenceNumber: '18' },
      },
    });
  });

  it('a batch of which SQS took a part is a 207', () => {
    const successful = { Id: 'a', MessageId: 'id', MD5OfMessageBody: 'md5' };
    const failed = { Id: 'b', Code: 'InvalidParameterValue', Message: `it's "bad" \\`, SenderFault: true };
    const all = render([
      { template: template('sent_batch.vtl'), body: JSON.stringify({ Successful: [successful] }) },
      { template: template('sent_batch.vtl'), body: JSON.stringify({ Successful: [successful, successful], Failed: [failed, failed] }) },
      { template: template('sent_batch.vtl'), body: JSON.stringify({ Successful: [], Failed: [failed] }) },
    ]);
    const one = { id: 'a', messageId: 'id' };
    const not = { id: 'b', code: 'InvalidParameterValue', message: failed.Message, senderFault: true };
    assert.deepEqual(all.map(({ status }) => status), [null, 207, 207]);
    assert.deepEqual(all.map(({ text }) => JSON.parse(text) as unknown), [
      { successful: [one], failed: [] },
      { successful: [one, one], failed: [not, not] },
      { successful: [], failed: [not] },
    ]);
  });

  it('what SQS refuses is blamed on whom it belongs to', () => {
    const blamed: [string, number][] = [
      ['com.amazonaws.sqs#InvalidMessageContents', 400],
      ['com.amazon.coral.service#InvalidParameterValueException', 400],
      ['com.amazonaws.sqs#MissingParameter', 400],
      ['com.amazon.coral.service#SerializationException', 400],
      ['com.amazonaws.sqs#BatchRequestTooLong', 413],
      ['com.amazonaws.sqs#RequestThrottled', 503],
      ['com.amazonaws.sqs#KmsThrottled', 503],
      ['com.amazonaws.sqs#QueueDoesNotExist', 502],
      ['com.amazonaws.sqs#KmsAccessDenied', 502],
      ['com.amazon.coral.service#AccessDeniedException', 502],
    ];
    const secret = `it's "arn:aws:iam::1:role/x"`;
    const all = render(blamed.map(([type]) => ({ template: template('refused.vtl'), body: JSON.stringify({ __type: type, message: secret }) })));
    all.forEach(({ status, text }, index) => {
      assert.equal(status, blamed[index]?.[1], blamed[index]?.[0]);
      const { error } = JSON.parse(text) as { error: { message: string } };
      assert.equal(error.message, (status ?? 0) < 500 ? secret : 'the queue could not take it');
    });
  });

  it('a message that is too long is a 413', () => {
    const message = 'One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.';
    const [answer] = render([{ template: template('refused.vtl'), body: JSON.stringify({ __type: 'com.amazonaws.sqs#InvalidParameterValue', message }) }]);
    assert.deepEqual([answer?.status, JSON.parse(answer?.text ?? '')], [413, { error: { code: 'TooLarge', message } }]);
  });

  it('a request that is too long for SQS to read is a 413, whose text is no JSON', () => {
    const [answer] = render([{ template: template('too_long.vtl'), body: 'HTTP content length exceeded 1662976 bytes.' }]);
    assert.deepEqual([answer?.status, JSON.parse(answer?.text ?? '')], [null, { error: { code: 'TooLarge', message: 'the request is too large for SQS' } }]);
  });

  it('with a schema each body of a batch is sent as the JSON that was held to it', () => {
    const held = template('send_batch.vtl', { queueUrl: QUEUE, isPlainText: 'false' });
    const bodies = [...HOSTILE.map((text) => text.replaceAll('\u007f', '')), { order: 7 }];
    const [request] = read([{ template: held, body: JSON.stringify(bodies.map((body) => ({ body }))) }]);
    const entries = request?.['Entries'] as { MessageBody: string }[];
    assert.deepEqual(entries.map((entry) => JSON.parse(entry.MessageBody) as unknown), bodies);
  });

  it('an answer that is no JSON is a fault of ours', () => {
    const [answer] = render([{ template: template('refused.vtl'), body: '' }]);
    assert.equal(answer?.status, 502);
  });
});
