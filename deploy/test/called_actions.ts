// The actions of IAM that the worker calls, read from its source.
import assert from 'node:assert/strict';
import { source } from './source.ts';

/** All operations of the services that are called by SDKs; without arguments, as the SDK's builders begin. */
const OPERATIONS: Readonly<Record<string, readonly string[]>> = {
  sqs: [
    'AddPermission', 'CancelMessageMoveTask', 'ChangeMessageVisibility', 'ChangeMessageVisibilityBatch', 'CreateQueue', 'DeleteMessage',
    'DeleteMessageBatch', 'DeleteQueue', 'GetQueueAttributes', 'GetQueueUrl', 'ListDeadLetterSourceQueues', 'ListMessageMoveTasks',
    'ListQueueTags', 'ListQueues', 'PurgeQueue', 'ReceiveMessage', 'RemovePermission', 'SendMessage', 'SendMessageBatch',
    'SetQueueAttributes', 'StartMessageMoveTask', 'TagQueue', 'UntagQueue',
  ],
  sns: [
    'AddPermission', 'CheckIfPhoneNumberIsOptedOut', 'ConfirmSubscription', 'CreatePlatformApplication', 'CreatePlatformEndpoint',
    'CreateSMSSandboxPhoneNumber', 'CreateTopic', 'DeleteEndpoint', 'DeletePlatformApplication', 'DeleteSMSSandboxPhoneNumber',
    'DeleteTopic', 'GetDataProtectionPolicy', 'GetEndpointAttributes', 'GetPlatformApplicationAttributes', 'GetSMSAttributes',
    'GetSMSSandboxAccountStatus', 'GetSubscriptionAttributes', 'GetTopicAttributes', 'ListEndpointsByPlatformApplication',
    'ListOriginationNumbers', 'ListPhoneNumbersOptedOut', 'ListPlatformApplications', 'ListSMSSandboxPhoneNumbers', 'ListSubscriptions',
    'ListSubscriptionsByTopic', 'ListTagsForResource', 'ListTopics', 'OptInPhoneNumber', 'Publish', 'PublishBatch',
    'PutDataProtectionPolicy', 'RemovePermission', 'SetEndpointAttributes', 'SetPlatformApplicationAttributes', 'SetSMSAttributes',
    'SetSubscriptionAttributes', 'SetTopicAttributes', 'Subscribe', 'TagResource', 'Unsubscribe', 'UntagResource',
    'VerifySMSSandboxPhoneNumber',
  ],
  ecs: [
    'AssociateGatewayWithCluster', 'ContinueServiceDeployment', 'CreateCapacityProvider', 'CreateCluster', 'CreateDaemon',
    'CreateExpressGatewayService', 'CreateGateway', 'CreateService', 'CreateTaskSet', 'DeleteAccountSetting', 'DeleteAttributes',
    'DeleteCapacityProvider', 'DeleteCluster', 'DeleteDaemon', 'DeleteDaemonTaskDefinition', 'DeleteExpressGatewayService',
    'DeleteGateway', 'DeleteService', 'DeleteTaskDefinitions', 'DeleteTaskSet', 'DeregisterContainerInstance',
    'DeregisterTaskDefinition', 'DescribeCapacityProviders', 'DescribeClusters', 'DescribeContainerInstances', 'DescribeDaemon',
    'DescribeDaemonDeployments', 'DescribeDaemonRevisions', 'DescribeDaemonTaskDefinition', 'DescribeExpressGatewayService',
    'DescribeGateway', 'DescribeGatewayResources', 'DescribeGatewayRoute', 'DescribeServiceDeployments', 'DescribeServiceRevisions',
    'DescribeServices', 'DescribeTaskDefinition', 'DescribeTaskSets', 'DescribeTasks', 'DisassociateGatewayFromCluster',
    'DiscoverPollEndpoint', 'ExecuteCommand', 'GetTaskProtection', 'ListAccountSettings', 'ListAttributes', 'ListClusters',
    'ListContainerInstances', 'ListDaemonDeployments', 'ListDaemonTaskDefinitions', 'ListDaemons', 'ListGatewayClusterAssociations',
    'ListGatewayRoutes', 'ListGateways', 'ListServiceDeployments', 'ListServices', 'ListServicesByNamespace', 'ListTagsForResource',
    'ListTaskDefinitionFamilies', 'ListTaskDefinitions', 'ListTasks', 'PutAccountSetting', 'PutAccountSettingDefault', 'PutAttributes',
    'PutClusterCapacityProviders', 'RegisterContainerInstance', 'RegisterDaemonTaskDefinition', 'RegisterTaskDefinition', 'RunTask',
    'StartTask', 'StopServiceDeployment', 'StopTask', 'SubmitAttachmentStateChanges', 'SubmitContainerStateChange',
    'SubmitTaskStateChange', 'TagResource', 'UntagResource', 'UpdateCapacityProvider', 'UpdateCluster', 'UpdateClusterSettings',
    'UpdateContainerAgent', 'UpdateContainerInstancesState', 'UpdateDaemon', 'UpdateExpressGatewayService', 'UpdateGateway',
    'UpdateService', 'UpdateServicePrimaryTaskSet', 'UpdateTaskProtection', 'UpdateTaskSet',
  ],
};
/** What is called only where a setting asks for it that this deployment never sets: `once` and `payload` of a queue (docs/once.md, docs/payloads.md). */
const UNUSED_SDKS = ['aws_sdk_dynamodb', 'aws_sdk_s3'];
/** Called by the SDK's own sources of credentials alone, by its task role or the role of a profile; the worker names the errors. */
const SDKS_OF_CREDENTIALS = ['aws_sdk_sso', 'aws_sdk_sts'];
/** What only a command of an operator calls, with a role of its own: `longshore dlq redrive --by-sqs` and `longshore dlq moves`. */
const OF_COMMANDS = ['StartMessageMoveTask', 'ListMessageMoveTasks', 'CancelMessageMoveTask'];
/** What the worker sends to the agent of ECS, which calls ECS by the task's role. */
const AGENT_CALLS: Readonly<Record<string, string>> = { 'Method::PUT': 'ecs:UpdateTaskProtection', 'Method::GET': 'ecs:GetTaskProtection' };

/** Every action that the worker calls, each once. */
export function calledActions(): string[] {
  // What `longshore dev` embeds is no part of a worker, and what tests use is not either.
  const worker = source('src').filter(({ path }) => !/^src\/(dev|testing)\/|(^|\/)tests?(\/|\.rs)/.test(path));
  const known = Object.values(OPERATIONS).flat().map(snakeCase);
  const called = Object.entries(OPERATIONS).flatMap(([service, operations]) => {
    const text = worker.filter((one) => one.text.includes(`aws_sdk_${service}`)).map((one) => one.text).join('\n');
    assert.ok(text, `the source uses aws_sdk_${service}`);
    return operations.filter((name) => !OF_COMMANDS.includes(name) && (text.includes(`.${snakeCase(name)}()`) || text.includes(`${name}::new()`))).map((name) => `${service}:${name.replace(/Batch$/, '')}`);
  });
  const elsewhere = worker.filter(({ text }) => !/aws_sdk_(sqs|sns)/.test(text) && known.some((name) => new RegExp(`\\.${name}\\(\\)\\s*\\.(queue_url|topic_arn)`).test(text)));
  assert.deepEqual(elsewhere.map(({ path }) => path), [], 'no call is made where the SDK is not named');
  const others = worker.flatMap(({ text }) => text.match(/\baws_sdk_\w+/g) ?? []).filter((name) => ![...Object.keys(OPERATIONS).map((service) => `aws_sdk_${service}`), ...UNUSED_SDKS, ...SDKS_OF_CREDENTIALS].includes(name));
  assert.deepEqual(others, [], 'the worker speaks with no other service');
  const agent = worker.find(({ path }) => path === 'src/ecs/agent.rs')?.text ?? assert.fail('the agent is elsewhere');
  const protection = Object.entries(AGENT_CALLS).filter(([method]) => agent.includes(method)).map(([, action]) => action);
  return [...new Set([...called, ...protection])].sort();
}

function snakeCase(name: string): string {
  return name.replace(/SMS/, 'Sms').replaceAll(/(?<!^)([A-Z])/g, '_$1').toLowerCase();
}
