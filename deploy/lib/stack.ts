// The whole deployment, in the order in which its parts need each other.
import { BootstraplessSynthesizer, type CfnElement, CfnOutput, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledgements.ts';
import { addAlarms } from './alarms.ts';
import { addHttpApi } from './api/http.ts';
import { addRestApi } from './api/rest.ts';
import { addApiRole } from './api/role.ts';
import { addKey } from './key.ts';
import { Logs } from './logs.ts';
import { namesOf, stackName } from './names.ts';
import { addNetwork } from './network.ts';
import { withParameters } from './parameters.ts';
import { addQueues } from './queues.ts';
import { addScaling } from './scaling.ts';
import { addService } from './service.ts';
import type { Settings } from './settings.ts';
import { addTopics } from './topics.ts';

/** Whether settings are written into the template, or asked for at each deployment. */
export type Binding = 'written' | 'asked';

/** From API Gateway to the fleet. */
export class QueueStack extends Stack {
  constructor(scope: Construct, id: string, given: Settings, binding: Binding = 'written') {
    super(scope, id, {
      synthesizer: new BootstraplessSynthesizer(),
      description: 'Longshore: API Gateway to SQS to workers on Fargate',
      ...(binding === 'written' ? { stackName: stackName(given) } : {}),
    });
    const settings = binding === 'asked' ? withParameters(this, given) : given;
    const names = namesOf(settings);
    const key = addKey(this, names);
    const logs = new Logs(this, settings, names, key);
    const queues = addQueues(this, settings, names, key);
    const topics = addTopics(this, settings, names, key);

    const door = { settings, names, queue: queues.queue, role: addApiRole(this, names, queues.queue, key), logs: logs.add('ApiLogs', 'api') };
    const http = addHttpApi(this, door);
    const rest = addRestApi(this, door);

    const network = addNetwork(this, settings, names);
    const service = addService(this, { settings, names, queues, topic: topics.endings, key, network, logs });
    const apis = { restName: rest.name, httpId: http.id };
    const oneMore = addScaling(this, settings, names, service, apis);
    addAlarms(this, { settings, names, apis, topic: topics.alarms, oneMore });

    new CfnOutput(this, 'RestApiUrl', { value: rest.url });
    new CfnOutput(this, 'RestApiKeyId', { value: rest.keyId });
    new CfnOutput(this, 'HttpApiUrl', { value: http.url });
    new CfnOutput(this, 'QueueUrl', { value: queues.queue.url });
    new CfnOutput(this, 'DlqUrl', { value: queues.dlq.url });
    acknowledge(this, settings, names);
  }

  /** Ids go without the hash that the CDK adds: each is named many times, and the CDK refuses two that are alike. */
  protected override allocateLogicalId(element: CfnElement): string {
    return super.allocateLogicalId(element).replace(/[0-9A-F]{8}$/, '');
  }
}
