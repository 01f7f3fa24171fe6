// The routes of the REST API: what each sends to SQS, and how SQS's answers come back.
import type { IntegrationResponse } from 'aws-cdk-lib/aws-apigateway';
import { template } from './templates.ts';

/** The stage variable that has the queue's URL, so that the templates are the same everywhere. */
export const QUEUE_URL = 'queueUrl';

/** The route that may be open to everyone. */
export const OPEN_ROUTE = 'queue';

/** Whether the JSON of an entry's body is a text. */
export const IS_TEXT = '$body.startsWith(\'"\')';

/** One route. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly action: 'SendMessage' | 'SendMessageBatch';
  /** What of a request is read; any other is a 415. */
  readonly contentTypes: readonly string[];
  readonly template: string;
  /** The status and template for a 200 of SQS. */
  readonly done: { readonly statusCode: string; readonly template: string };
  readonly model?: 'message' | 'batch';
  /** The parameter of the query that the message is in. */
  readonly parameter?: string;
}

/** All routes to a queue of this kind. With a schema there is none that is not held to it: no plain text, and nothing in an address. */
export function routes(fifo: boolean, hasSchema: boolean): Route[] {
  const queueUrl = `$stageVariables.${QUEUE_URL}`;
  const json = ['application/json'];
  const older = (path: string, parameter: string, done: string): Route => ({
    method: 'GET',
    path,
    action: 'SendMessage',
    contentTypes: json,
    template: template('send_parameter.vtl', { queueUrl, fifoGroup: olderGroup(fifo) }),
    done: { statusCode: '200', template: template(done) },
    parameter,
  });
  return [
    {
      method: 'POST',
      path: 'v1/messages',
      action: 'SendMessage',
      contentTypes: hasSchema ? json : [...json, 'text/plain'],
      template: template('send.vtl', { queueUrl }),
      done: { statusCode: '202', template: template('sent.vtl') },
      model: 'message',
    },
    {
      method: 'POST',
      path: 'v1/messages/batch',
      action: 'SendMessageBatch',
      contentTypes: json,
      template: template('send_batch.vtl', { queueUrl, isPlainText: hasSchema ? 'false' : IS_TEXT }),
      done: { statusCode: '202', template: template('sent_batch.vtl') },
      model: 'batch',
    },
    ...(hasSchema ? [] : [older(OPEN_ROUTE, 'message', 'sent_done.vtl'), older('v1/send', 'MessageBody', 'sent_older.vtl')]),
  ];
}

/**
 * How SQS's answers come back. There is no answer for any other status: API Gateway makes a 500 of it.
 *
 * The template of a refusal chooses between 400, 413, 502 and 503, that of a batch between 202 and 207. A 413 of SQS's is no JSON, so no
 * template reads it.
 */
export function answersOf({ done }: Route, place: (template: string) => string): IntegrationResponse[] {
  const answer = (selectionPattern: string, statusCode: string, text: string): IntegrationResponse => ({
    selectionPattern,
    statusCode,
    responseTemplates: { 'application/json': place(text) },
  });
  return [
    answer('2\\d{2}', done.statusCode, done.template),
    answer('413', '413', template('too_long.vtl')),
    answer('4(0\\d|1[0-24-9]|[2-9]\\d)', '400', template('refused.vtl')),
    answer('5\\d{2}', '503', template('failed.vtl')),
  ];
}

/** The older routes know no groups: each of their messages is one. */
function olderGroup(fifo: boolean): string {
  return fifo ? '"MessageGroupId":"$context.extendedRequestId","MessageDeduplicationId":"$context.extendedRequestId",' : '';
}
