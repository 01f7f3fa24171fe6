// The fleet: a cluster, the task and the service that keeps as many of them as the scaling wants.
import { Stack } from 'aws-cdk-lib';
import { CfnCluster, CfnService, CfnTaskDefinition } from 'aws-cdk-lib/aws-ecs';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import { asText, restOfShare } from './arithmetic.ts';
import type { Logs } from './logs.ts';
import type { Names } from './names.ts';
import type { Network } from './network.ts';
import type { Queues } from './queues.ts';
import type { Settings } from './settings.ts';
import { containers, TEMPORARY } from './task/containers.ts';
import { environment } from './task/environment.ts';
import { addExecutionRole, addTaskRole } from './task/roles.ts';

/** What the fleet needs of the rest. */
export interface ServiceProps {
  readonly settings: Settings;
  readonly names: Names;
  readonly queues: Queues;
  readonly topic: string;
  readonly key: IKey;
  readonly network: Network;
  readonly logs: Logs;
}

/** Makes the fleet. It has no desired count: a deployment must not undo the scaling. */
export function addService(scope: Construct, props: ServiceProps): CfnService {
  const { settings, names, network } = props;
  const cluster = new CfnCluster(scope, 'Cluster', {
    clusterName: names.prefix,
    capacityProviders: ['FARGATE', 'FARGATE_SPOT'],
    clusterSettings: [{ name: 'containerInsights', value: 'enabled' }],
  });
  return new CfnService(scope, 'Service', {
    cluster: cluster.ref,
    serviceName: names.worker,
    taskDefinition: addTask(scope, props).ref,
    // A zone that fails is made up for all the same; rebalancing would only end tasks that are at work.
    availabilityZoneRebalancing: 'DISABLED',
    capacityProviderStrategy: [
      { capacityProvider: 'FARGATE', weight: restOfShare(scope, settings.SPOT_SHARE) },
      { capacityProvider: 'FARGATE_SPOT', weight: settings.SPOT_SHARE },
    ],
    deploymentConfiguration: {
      deploymentCircuitBreaker: { enable: true, rollback: true },
      minimumHealthyPercent: 100,
      maximumPercent: 200,
    },
    networkConfiguration: {
      awsvpcConfiguration: { subnets: network.subnetIds, securityGroups: network.securityGroupIds, assignPublicIp: network.publicIp },
    },
    propagateTags: 'SERVICE',
    enableEcsManagedTags: true,
  });
}

function addTask(scope: Construct, { settings, names, queues, topic, key, logs }: ServiceProps): CfnTaskDefinition {
  const { region } = Stack.of(scope);
  const logGroup = logs.add('WorkerLogs', 'worker');
  const variables = environment(settings, queues, topic, region);
  return new CfnTaskDefinition(scope, 'Task', {
    family: names.worker,
    requiresCompatibilities: ['FARGATE'],
    networkMode: 'awsvpc',
    cpu: asText(settings.CPU),
    memory: asText(settings.MEMORY),
    runtimePlatform: { cpuArchitecture: settings.ARCHITECTURE, operatingSystemFamily: 'LINUX' },
    taskRoleArn: addTaskRole(scope, settings, { names, queues, topic, key }).roleArn,
    executionRoleArn: addExecutionRole(scope, names, logGroup).roleArn,
    volumes: [TEMPORARY.worker, ...(settings.HANDLER_IMAGE === undefined ? [] : [TEMPORARY.handler])].map((name) => ({ name })),
    containerDefinitions: containers({ settings, name: names.worker, variables, logGroup: logGroup.ref, region }),
  });
}
