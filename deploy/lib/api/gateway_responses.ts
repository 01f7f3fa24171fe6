// What API Gateway answers by itself, in the shape of every other refusal.
import { type RestApi, ResponseType } from 'aws-cdk-lib/aws-apigateway';
import { originHeader } from './cors.ts';
import type { Cors } from './options.ts';

/** No templates run here, and this variable alone comes with its quotes and escapes. */
const SHAPE = '{"error": {"code": "$context.error.responseType", "message": $context.error.messageString}}';

/** Gives these to the API. None is for `REQUEST_TOO_LARGE`, which cannot be given one (API Gateway's important notes). */
export function addGatewayResponses(api: RestApi, cors: Cors | undefined): void {
  const answers: [string, ResponseType, Record<string, string>?][] = [
    ['Default4xx', ResponseType.DEFAULT_4XX],
    ['Default5xx', ResponseType.DEFAULT_5XX, { 'Retry-After': "'1'" }],
    ['Throttled', ResponseType.THROTTLED, { 'Retry-After': "'1'" }],
  ];
  for (const [id, type, own = {}] of answers) {
    const responseHeaders = { ...own, ...originHeader(cors) };
    api.addGatewayResponse(id, { type, templates: { 'application/json': SHAPE }, ...(Object.keys(responseHeaders).length === 0 ? {} : { responseHeaders }) });
  }
}
