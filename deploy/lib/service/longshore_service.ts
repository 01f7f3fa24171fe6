// The fleet: the task, the service that runs it, its scaling, its alarms and its logs.
import { Duration } from 'aws-cdk-lib';
import { Connections, type IConnectable, type ISecurityGroup, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { CfnCluster, CfnService, type FargateTaskDefinition } from 'aws-cdk-lib/aws-ecs';
import type { IGrantable, IPrincipal, Role } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { Load, ServiceNames } from '../metrics.ts';
import { addAlarms, type Watched } from './alarms.ts';
import { check } from './check.ts';
import { addFailedDeployment } from './failed_deployment.ts';
import { loadOf, nameOf } from './environment.ts';
import type { LongshoreServiceProps } from './props.ts';
import { addExecutionRole, addTaskRole } from './roles.ts';
import { addScaling } from './scaling.ts';
import { addTask } from './task.ts';

/**
 * Workers on Fargate that consume queues and scale with the work in them.
 *
 * It is what others grant to and connect to: `bucket.grantRead(service)`, `database.connections.allowDefaultPortFrom(service)`.
 */
export class LongshoreService extends Construct implements IGrantable, IConnectable {
  /** The service. It has no desired count: a deployment must not undo the scaling. */
  readonly service: CfnService;
  /** The task, for what the properties do not say. */
  readonly taskDefinition: FargateTaskDefinition;
  /** The role of the worker, and of what runs beside it. */
  readonly taskRole: Role;
  /** The role by which ECS starts a task: it pulls images, reads secrets and writes logs. */
  readonly executionRole: Role;
  /** The service's place in ECS, and in its metrics. */
  readonly names: ServiceNames;
  readonly connections: Connections;
  readonly grantPrincipal: IPrincipal;

  constructor(scope: Construct, id: string, props: LongshoreServiceProps) {
    super(scope, id);
    check(props);
    const { prefix, minTasks = 1, maxTasks = 10, arrivals = [] } = props;
    this.connections = new Connections({ securityGroups: [...(props.securityGroups ?? [httpsOut(this, props)])] });
    this.names = { clusterName: props.cluster?.clusterName ?? addCluster(this, prefix), serviceName: `${prefix}-worker` };
    this.taskRole = addTaskRole(this, props, this.names);
    this.executionRole = addExecutionRole(this);
    this.grantPrincipal = this.taskRole.grantPrincipal;
    this.taskDefinition = addTask(this, props, this);
    this.service = addService(this, props, this);
    this.service.node.addDependency(this.taskRole, this.executionRole);

    const loads = new Map(props.queues.map((queue): [string, Load] => [nameOf(queue), loadOf(queue, props)]));
    const oneMore = addScaling(this, { prefix, service: this.service, names: this.names, loads, arrivals, minTasks, maxTasks, by: props.scaleOutBy ?? 'alarms' });
    const topics = props.alarmTopic === undefined ? [] : [props.alarmTopic.topicArn];
    if (props.alarmTopic !== undefined) addFailedDeployment(this, prefix, this.service, props.alarmTopic);
    addAlarms(this, { prefix, queues: watched(props, maxTasks), names: this.names, topics, oneMore });
  }
}

function watched(props: LongshoreServiceProps, maxTasks: number): Watched[] {
  return props.queues.map((work, index) => ({
    name: index === 0 ? '' : nameOf(work),
    load: loadOf(work, props),
    fifo: work.queue.fifo,
    dlqName: work.deadLetterQueue?.queueName,
    ageLimit: work.ageLimit ?? Duration.hours(1),
    stallLimit: work.stallLimit ?? Duration.minutes(15),
    retentionLimit: work.retentionLimit,
    maxTasks,
  }));
}

/** Nothing comes in: the worker asks for its messages. */
function httpsOut(scope: Construct, { vpc, prefix }: LongshoreServiceProps): ISecurityGroup {
  const group = new SecurityGroup(scope, 'WorkerGroup', { vpc, description: `${prefix} tasks`, allowAllOutbound: false });
  group.connections.allowToAnyIpv4(Port.tcp(443), 'HTTPS out');
  return group;
}

/** Makes a cluster; its name. */
function addCluster(scope: Construct, clusterName: string): string {
  new CfnCluster(scope, 'Cluster', {
    clusterName,
    capacityProviders: ['FARGATE', 'FARGATE_SPOT'],
    clusterSettings: [{ name: 'containerInsights', value: 'enabled' }],
  });
  return clusterName;
}

function addService(scope: Construct, props: LongshoreServiceProps, { names, taskDefinition, connections }: LongshoreService): CfnService {
  const { capacityProviderStrategies: strategies, cluster } = props;
  // The providers of a cluster that was there before may be others.
  const onFargate = cluster === undefined ? { capacityProviderStrategy: [{ capacityProvider: 'FARGATE', weight: 1 }] } : { launchType: 'FARGATE' };
  const service = new CfnService(scope, 'Service', {
    cluster: names.clusterName,
    serviceName: names.serviceName,
    taskDefinition: taskDefinition.taskDefinitionArn,
    // A zone that fails is made up for all the same; rebalancing would only end tasks that are at work.
    availabilityZoneRebalancing: 'DISABLED',
    ...(strategies === undefined ? onFargate : { capacityProviderStrategy: [...strategies] }),
    deploymentConfiguration: {
      deploymentCircuitBreaker: { enable: true, rollback: true },
      minimumHealthyPercent: 100,
      maximumPercent: 200,
    },
    networkConfiguration: {
      awsvpcConfiguration: {
        subnets: props.vpc.selectSubnets(props.vpcSubnets).subnetIds,
        securityGroups: connections.securityGroups.map(({ securityGroupId }) => securityGroupId),
        assignPublicIp: props.assignPublicIp === true ? 'ENABLED' : 'DISABLED',
      },
    },
    ...(props.enableExecuteCommand === true ? { enableExecuteCommand: true } : {}),
    propagateTags: 'SERVICE',
    enableEcsManagedTags: true,
  });
  const own = scope.node.tryFindChild('Cluster');
  if (own !== undefined) service.node.addDependency(own);
  return service;
}
