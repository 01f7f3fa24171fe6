// The Node function of the tests, which does what each message's body says.
import { appendFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";

export async function handler(event, context) {
  const batchItemFailures = [];
  for (const record of event.Records) {
    const count = record.attributes.ApproximateReceiveCount;
    appendFileSync(process.env.JOURNAL, `${record.body} ${count} ${process.pid}\n`);
    console.log("handling", record.messageId);
    const [what, how] = record.body.split(":");
    const isFirst = count === "1";
    if (what === "sleep") await setTimeout(Number(how) * 1000);
    else if (what === "fail" && isFirst) batchItemFailures.push({ itemIdentifier: record.messageId });
    else if (what === "raise" && isFirst) throw new TypeError("raised on request");
    else if (what === "crash" && isFirst) process.kill(process.pid, "SIGKILL");
    else if (what === "deadline" && context.getRemainingTimeInMillis() < Number(how) * 1000) {
      throw new Error("too little time left");
    }
  }
  return { batchItemFailures };
}
