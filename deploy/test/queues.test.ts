// The queue, its DLQ, the key and the topics.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SHAPES } from './shapes.ts';
import { templateOf } from './template_of.ts';

it('everything is called by project and stage', () => {
  const template = templateOf('standard');
  const name = (type: string, property: string) => template.all(type).map(([, { Properties }]) => Properties[property]).sort();
  assert.deepEqual(name('AWS::SQS::Queue', 'QueueName'), ['orders-test-dlq', 'orders-test-queue']);
  assert.deepEqual(name('AWS::ApiGateway::RestApi', 'Name'), ['orders-test-rest-api']);
  assert.deepEqual(name('AWS::ApiGatewayV2::Api', 'Name'), ['orders-test-http-api']);
  assert.deepEqual(name('AWS::SNS::Topic', 'TopicName'), ['orders-test-alarms', 'orders-test-topic']);
});

it('the queue moves what fails to the DLQ, which keeps it for longer', () => {
  const template = templateOf('standard');
  const [queue, dlq] = [template.resource('Queue'), template.resource('Dlq')];
  assert.deepEqual(queue.RedrivePolicy, { deadLetterTargetArn: { 'Fn::GetAtt': ['Dlq', 'Arn'] }, maxReceiveCount: 5 });
  assert.deepEqual([queue.MessageRetentionPeriod, dlq.MessageRetentionPeriod], [4 * 86400, 14 * 86400]);
  assert.equal(dlq.RedriveAllowPolicy.redrivePermission, 'byQueue');
  const [source] = dlq.RedriveAllowPolicy.sourceQueueArns;
  assert.equal(source['Fn::Sub'], 'arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:orders-test-queue');
});

it('the DLQ allows the queue by the name that it has', () => {
  for (const shape of ['standard', 'fifo']) {
    const template = templateOf(shape);
    const arn: string = template.resource('Dlq').RedriveAllowPolicy.sourceQueueArns[0]['Fn::Sub'];
    assert.ok(arn.endsWith(`:${template.resource('Queue').QueueName}`), shape);
  }
});

it('the queue hides a message for as long as the worker says that it does', () => {
  const template = templateOf('standard');
  const variables: { Name: string; Value: unknown }[] = template.only('AWS::ECS::TaskDefinition').ContainerDefinitions[0].Environment;
  const visibility = variables.find(({ Name }) => Name === 'LONGSHORE__QUEUES__JOBS__VISIBILITY');
  assert.equal(visibility?.Value, `${template.resource('Queue').VisibilityTimeout}s`);
});

it('a FIFO queue has a FIFO DLQ and high throughput', () => {
  const template = templateOf('fifo');
  for (const id of ['Queue', 'Dlq']) {
    const { QueueName, FifoQueue, DeduplicationScope, FifoThroughputLimit } = template.resource(id);
    assert.ok(QueueName.endsWith('.fifo'));
    assert.deepEqual([FifoQueue, DeduplicationScope, FifoThroughputLimit], [true, 'messageGroup', 'perMessageGroupId']);
  }
  assert.equal(templateOf('standard').resource('Queue').FifoQueue, undefined);
});

it('queues and the key stay when the stack goes', () => {
  for (const shape of Object.keys(SHAPES).filter((name) => name !== 'throwaway')) {
    const template = templateOf(shape);
    for (const [id, { DeletionPolicy }] of [...template.all('AWS::SQS::Queue'), ...template.all('AWS::KMS::Key')]) {
      assert.match(DeletionPolicy ?? '', /^Retain/, `${shape}: ${id}`);
    }
  }
});
