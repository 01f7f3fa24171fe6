// A Lambda function with its runtime in one, as small as can be: `done`, `fail`, `crash`, each after some milliseconds; the second try is done.

const HOST = `http://${process.env['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation`;

interface Event {
  readonly Records: readonly { readonly messageId: string; readonly body: string; readonly attributes: Readonly<Record<string, string>> }[];
}

for (;;) {
  const next = await fetch(`${HOST}/next`);
  const id = next.headers.get('lambda-runtime-aws-request-id');
  const failed: { itemIdentifier: string }[] = [];
  for (const { messageId, body, attributes } of ((await next.json()) as Event).Records) {
    const [what, milliseconds] = body.split(' ');
    await new Promise((done) => setTimeout(done, Number(milliseconds)));
    if (attributes['ApproximateReceiveCount'] !== '1') continue;
    if (what === 'crash') process.exit(1);
    if (what === 'fail') failed.push({ itemIdentifier: messageId });
  }
  await fetch(`${HOST}/${id}/response`, { method: 'POST', body: JSON.stringify({ batchItemFailures: failed }) });
}
