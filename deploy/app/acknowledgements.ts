// The findings of cdk-nag that stand, each with the reason why.
import { type Stack, Validations } from 'aws-cdk-lib';
import { detailsOf } from './details.ts';
import { prefixOf } from './names.ts';
import type { Settings } from './settings.ts';

const WILDCARD = 'AwsSolutions::AwsSolutions-IAM5';
const OF_ACCOUNT = '<AWS::Region>:<AWS::AccountId>';

const REASONS: Readonly<Record<string, string>> = {
  'AwsSolutions::AwsSolutions-APIG6':
    'The access log has every request; execution logs go to a group of their own, without our key and without a retention.',
  'AwsSolutions::AwsSolutions-COG4': 'REST_AUTHORIZATION says who may call it: services sign requests with IAM by default, and have a key.',
  'AwsSolutions::AwsSolutions-ECS2': 'The variables are the settings of the worker, none of which is a secret.',
  'AwsSolutions::AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]':
    'It is what AWS tells to give the account\'s API Gateway, which shares one role for all of its logs.',
  'AwsSolutions::AwsSolutions-VPC7': 'Nothing can come in and HTTPS alone can go out; flow logs are for the owner of the account to pay for.',
  'Serverless::Serverless-EventBusDLQ': 'EventBridge tries the topic again for a day; a queue for what it gives up would have to be watched itself.',
  'Serverless::Serverless-SQSRedrivePolicy': 'A DLQ has no DLQ.',
  [`${WILDCARD}[Resource::*]`]: 'ecr:GetAuthorizationToken, ssmmessages and the writing of traces know no resources.',
  [`${WILDCARD}[Resource::arn:<AWS::Partition>:ecr:${OF_ACCOUNT}:repository/*]`]: 'The images are named by settings, and are pulled only.',
};

/** Says so to cdk-nag, which looks at templates whose names are written out. */
export function acknowledge(stack: Stack, settings: Settings): void {
  const reasons = { ...REASONS, ...forSettings(settings, prefixOf(settings)) };
  for (const [id, reason] of Object.entries(reasons)) Validations.of(stack).acknowledge({ id, reason });
}

function forSettings(settings: Settings, prefix: string): Record<string, string> {
  const { existing, subscriptions } = detailsOf(settings);
  const reasons: Record<string, string> = {
    [`${WILDCARD}[Resource::arn:<AWS::Partition>:ecs:${OF_ACCOUNT}:task/${existing?.cluster ?? prefix}/*]`]: 'A task protects itself, and has no name before it runs.',
  };
  if (isOpened(settings)) reasons['AwsSolutions::AwsSolutions-APIG4'] = 'The settings say that everyone may call it, or whoever has a key; and what a browser asks before a request has no one yet.';
  if (settings.WAF_ACL_ARN === undefined) reasons['AwsSolutions::AwsSolutions-APIG3'] = 'WAF_ACL_ARN names the web ACL where there is one.';
  if (settings.ALARM_EMAIL !== undefined) reasons['Serverless::Serverless-SNSRedrivePolicy'] = 'An alarm that no mailbox takes is in CloudWatch all the same.';
  if (subscriptions !== undefined) reasons['Serverless::Serverless-SNSRedrivePolicy'] = 'SNS tries a queue again for weeks; a message that it gives up is lost.';
  return reasons;
}

/** Whether some method lets in whoever calls. */
function isOpened(settings: Settings): boolean {
  const { rest } = detailsOf(settings);
  return ['KEY', 'NONE'].includes(settings.REST_AUTHORIZATION) || settings.HTTP_AUTHORIZATION === 'NONE' || rest?.openQueueRoute === true || rest?.cors !== undefined;
}
