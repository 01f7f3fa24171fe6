// The program behind Longshore's `http` kind; it says on standard output where it listens.
const { createServer } = require("node:http");

// A batch comes as Lambda's SQS event; its messages run at once.
const time = (body) => Math.max(0, ...(body.Records?.map(({ body }) => JSON.parse(body)) ?? [body]).map(({ sleep_ms }) => sleep_ms));

const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const wait = time(JSON.parse(Buffer.concat(parts)));
    if (wait) setTimeout(() => response.end(), wait);
    else response.end();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
