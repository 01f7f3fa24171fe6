// A team's own CDK app: two services in one stack, one with all of its own, one on what was there before.
import { App, Duration, Stack } from 'aws-cdk-lib';
import { SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Cluster, ContainerImage, Secret } from 'aws-cdk-lib/aws-ecs';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Secret as StoredSecret } from 'aws-cdk-lib/aws-secretsmanager';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { LongshoreKey, LongshoreQueue, LongshoreService, type LongshoreServiceProps, SqsApi } from 'longshore-cdk';

const app = new App();
const stack = new Stack(app, 'Team');
const vpc = new Vpc(stack, 'Vpc', { natGateways: 0, subnetConfiguration: [{ name: 'public', subnetType: SubnetType.PUBLIC }] });
const image = ContainerImage.fromRegistry('longshore:1.0.0');
const alarmTopic = new Topic(stack, 'Pager');

const orders = { prefix: 'orders-prod' };
const logKey = new LongshoreKey(stack, 'OrdersKey', orders);
const { queue, deadLetterQueue } = new LongshoreQueue(stack, 'Orders', { ...orders, encryptionKey: logKey });
const api = new SqsApi(stack, 'OrdersApi', { ...orders, queue, logKey, alarmTopic });
new LongshoreService(stack, 'OrdersWorkers', {
  ...orders,
  queues: [{ queue, deadLetterQueue, concurrency: 4, timeout: Duration.hours(2) }],
  worker: { image },
  handlers: [{ image: ContainerImage.fromRegistry('orders:7'), secrets: { DB: Secret.fromSecretsManager(new StoredSecret(stack, 'Db')) } }],
  vpc,
  vpcSubnets: { subnetType: SubnetType.PUBLIC },
  assignPublicIp: true,
  arrivals: api.requests,
  alarmTopic,
  logKey,
});

const mail = new LongshoreService(stack, 'MailWorkers', {
  prefix: 'mail-prod',
  queues: [
    { name: 'letters', queue: Queue.fromQueueArn(stack, 'Letters', 'arn:aws:sqs:eu-west-1:123456789012:letters'), handler: { kind: 'exec', command: ['/app/send'] } },
    { name: 'bounces', queue: Queue.fromQueueArn(stack, 'Bounces', 'arn:aws:sqs:eu-west-1:123456789012:bounces.fifo'), handler: { kind: 'exec', command: ['/app/bounce'] } },
  ],
  worker: { image },
  vpc,
  vpcSubnets: { subnetType: SubnetType.PUBLIC },
  assignPublicIp: true,
  cluster: Cluster.fromClusterAttributes(stack, 'Shared', { clusterName: 'shared', vpc }),
});
// @ts-expect-error The properties are typed: a prefix is no number.
const untyped: LongshoreServiceProps['prefix'] = 7;
void untyped;
new Bucket(stack, 'Archive').grantWrite(mail);
app.synth();
