// Who is told of a deployment that failed, and was rolled back by the circuit breaker.
import type { CfnService } from 'aws-cdk-lib/aws-ecs';
import { CfnRule } from 'aws-cdk-lib/aws-events';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';

/** ECS says so by an event, and by no metric. The topic, and its key, must let in `events.amazonaws.com`. */
export function addFailedDeployment(scope: Construct, prefix: string, service: CfnService, topic: ITopic): void {
  new CfnRule(scope, 'FailedDeployment', {
    name: `${prefix}-failed-deployment`,
    description: 'A deployment of the service failed. docs/alarms.md#failed-deployment',
    eventPattern: {
      source: ['aws.ecs'],
      'detail-type': ['ECS Deployment State Change'],
      resources: [service.ref],
      detail: { eventName: ['SERVICE_DEPLOYMENT_FAILED'] },
    },
    targets: [
      {
        id: 'AlarmTopic',
        arn: topic.topicArn,
        inputTransformer: {
          inputPathsMap: { service: '$.resources[0]', reason: '$.detail.reason' },
          inputTemplate: '"A deployment of <service> failed: <reason> docs/alarms.md#failed-deployment"',
        },
      },
    ],
  });
}
