// The two topics, encrypted and TLS only: one for how messages end, one for alarms.
import { Aws } from 'aws-cdk-lib';
import { AnyPrincipal, Effect, PolicyDocument, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { CfnSubscription, CfnTopic, CfnTopicPolicy } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { ALARMING } from '../lib/longshore_key.ts';
import { detailsOf } from './details.ts';
import type { Settings } from './settings.ts';

/** Makes those that are not there yet; CloudWatch and EventBridge may publish to the second. */
export function addTopics(scope: Construct, settings: Settings, prefix: string, key: IKey): void {
  const { existing = {} } = detailsOf(settings);
  if (existing.topic === undefined) addTopic(scope, ['Topic', 'TopicTlsOnly'], `${prefix}-topic`, key, (topic) => [tlsOnly(topic)]);
  if (existing.alarmTopic !== undefined) return;
  const alarms = addTopic(scope, ['Alarms', 'AlarmsPolicy'], `${prefix}-alarms`, key, (topic) => [tlsOnly(topic), ofAlarms(topic)]);
  if (settings.ALARM_EMAIL !== undefined) {
    new CfnSubscription(scope, 'AlarmEmail', { topicArn: alarms, protocol: 'email', endpoint: settings.ALARM_EMAIL });
  }
}

function addTopic(scope: Construct, [id, policyId]: readonly [string, string], topicName: string, key: IKey, statements: (topic: string) => PolicyStatement[]): string {
  const { ref } = new CfnTopic(scope, id, { topicName, kmsMasterKeyId: key.keyArn });
  new CfnTopicPolicy(scope, policyId, { topics: [ref], policyDocument: new PolicyDocument({ statements: statements(ref) }) });
  return ref;
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

function ofAlarms(topic: string): PolicyStatement {
  return new PolicyStatement({
    effect: Effect.ALLOW,
    principals: ALARMING.map((service) => new ServicePrincipal(service)),
    actions: ['sns:Publish'],
    resources: [topic],
    conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
  });
}
