// The two topics, encrypted and TLS only: one for how messages end, one for alarms.
import { Aws } from 'aws-cdk-lib';
import { AnyPrincipal, Effect, PolicyDocument, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { CfnSubscription, CfnTopic, CfnTopicPolicy } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import type { Settings } from './settings.ts';

/** Makes both; CloudWatch may publish to the second. */
export function addTopics(scope: Construct, settings: Settings, prefix: string, key: IKey): void {
  const [endings, alarms] = [
    new CfnTopic(scope, 'Topic', { topicName: `${prefix}-topic`, kmsMasterKeyId: key.keyArn }).ref,
    new CfnTopic(scope, 'Alarms', { topicName: `${prefix}-alarms`, kmsMasterKeyId: key.keyArn }).ref,
  ];
  new CfnTopicPolicy(scope, 'TopicTlsOnly', { topics: [endings], policyDocument: new PolicyDocument({ statements: [tlsOnly(endings)] }) });
  new CfnTopicPolicy(scope, 'AlarmsPolicy', {
    topics: [alarms],
    policyDocument: new PolicyDocument({ statements: [tlsOnly(alarms), fromCloudWatch(alarms)] }),
  });
  if (settings.ALARM_EMAIL !== undefined) {
    new CfnSubscription(scope, 'AlarmEmail', { topicArn: alarms, protocol: 'email', endpoint: settings.ALARM_EMAIL });
  }
}

function tlsOnly(topic: string): PolicyStatement {
  return new PolicyStatement({
    effect: Effect.DENY,
    principals: [new AnyPrincipal()],
    actions: ['sns:Publish'],
    resources: [topic],
    conditions: { Bool: { 'aws:SecureTransport': 'false' } },
  });
}

function fromCloudWatch(topic: string): PolicyStatement {
  return new PolicyStatement({
    effect: Effect.ALLOW,
    principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
    actions: ['sns:Publish'],
    resources: [topic],
    conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
  });
}
