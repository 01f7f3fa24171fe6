// The second stack: the APIs in front of the queue.
import type { Stack } from 'aws-cdk-lib';
import { SqsApi } from '../lib/index.ts';
import { detailsOf } from './details.ts';
import type { Settings } from './settings.ts';
import { sharedOf } from './shared.ts';
import type { Output } from './stacks.ts';

/** Makes them; the service imports the HTTP API's id, and is woken by its requests. */
export function addApi(stack: Stack, settings: Settings, prefix: string): Record<string, Output> {
  const { queue, key, alarms } = sharedOf(stack, settings, prefix);
  const options = { authorization: settings.API_AUTHORIZATION, throttling: settings.API_THROTTLING };
  const api = new SqsApi(stack, 'Default', {
    prefix,
    queue,
    http: options,
    rest: {
      ...options,
      stageName: settings.STAGE,
      accountLogRole: detailsOf(settings).existing?.apiLogRole !== true,
      ...(settings.MESSAGE_SCHEMA === undefined ? {} : { messageSchema: settings.MESSAGE_SCHEMA }),
      ...(settings.WAF_ACL_ARN === undefined ? {} : { webAclArn: settings.WAF_ACL_ARN }),
    },
    logRetention: settings.LOG_RETENTION,
    logKey: key,
    alarmTopic: alarms,
  });
  return {
    RestApiUrl: { value: api.restUrl },
    RestApiKeyId: { value: api.restKeyId },
    HttpApiUrl: { value: api.httpUrl },
    HttpApiId: { value: api.httpApiId, exported: 'http-api-id' },
  };
}
