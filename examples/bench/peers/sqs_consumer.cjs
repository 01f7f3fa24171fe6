// sqs-consumer in batches: `node sqs_consumer.cjs QUEUE_URL INSTANCES BATCH_SIZE`.
const { setTimeout: sleep } = require("node:timers/promises");
const { Consumer } = require("sqs-consumer");

const [queueUrl, instances, batchSize] = process.argv.slice(2);

const handle = async (message) => {
  const { sleep_ms: time } = JSON.parse(message.Body);
  if (time) await sleep(time);
};

for (let instance = 0; instance < Number(instances); instance++) {
  const consumer = Consumer.create({
    queueUrl,
    batchSize: Number(batchSize),
    handleMessageBatch: async (messages) => {
      await Promise.all(messages.map(handle));
      return messages;
    },
  });
  consumer.on("error", (error) => console.error(error));
  consumer.on("processing_error", (error) => console.error(error));
  consumer.start();
}
