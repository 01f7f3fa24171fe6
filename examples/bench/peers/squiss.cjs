// squiss-ts, which receives as long as fewer than so many messages are in its handlers: `node squiss.cjs QUEUE_URL MAX_IN_FLIGHT`.
const { Squiss } = require("squiss-ts");

const [queueUrl, maxInFlight] = process.argv.slice(2);

const squiss = new Squiss({ queueUrl, maxInFlight: Number(maxInFlight), bodyFormat: "json" });
squiss.on("message", (message) => {
  const { sleep_ms: time } = message.body;
  if (time) setTimeout(() => message.del(), time);
  else message.del();
});
squiss.on("error", (error) => console.error(error));
squiss.start();
