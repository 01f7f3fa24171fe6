// The little of AWS's protocols that the tests against an emulator speak: it asks for no valid signature.
import assert from 'node:assert/strict';

/** Where the emulator listens. */
export const EMULATOR = process.env['LONGSHORE_EMULATOR'] ?? 'http://127.0.0.1:4566';
export const REGION = 'eu-west-1';

function authorization(service: string): string {
  return `AWS4-HMAC-SHA256 Credential=test/20260101/${REGION}/${service}/aws4_request, SignedHeaders=host, Signature=0`;
}

/** A call of CloudFormation's; its answer as XML. */
export async function cloudFormation(action: string, parameters: Readonly<Record<string, string>>): Promise<string> {
  const body = new URLSearchParams({ Action: action, Version: '2010-05-15', ...parameters });
  const response = await fetch(EMULATOR, { method: 'POST', body, headers: { authorization: authorization('cloudformation') } });
  const text = await response.text();
  assert.ok(response.ok, `${action}: ${text}`);
  return text;
}

/** Something of API Gateway's, as JSON. */
export async function apiGateway(path: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${EMULATOR}${path}`, { headers: { authorization: authorization('apigateway') } });
  assert.ok(response.ok, path);
  return (await response.json()) as Record<string, unknown>;
}

/** Makes a stack and waits until it is there; its resources by id: their type and what the emulator calls them. */
export async function createStack(name: string, template: string, parameters: Readonly<Record<string, string>>): Promise<Map<string, { type: string; physicalId: string }>> {
  const members = Object.entries(parameters).flatMap(([key, value], index) => [
    [`Parameters.member.${index + 1}.ParameterKey`, key],
    [`Parameters.member.${index + 1}.ParameterValue`, value],
  ]);
  const all = { StackName: name, TemplateBody: template, 'Capabilities.member.1': 'CAPABILITY_IAM', ...Object.fromEntries(members) };
  await cloudFormation('CreateStack', all);
  for (;;) {
    const status = /<StackStatus>(\w+)</.exec(await cloudFormation('DescribeStacks', { StackName: name }))?.[1];
    if (status === 'CREATE_COMPLETE') break;
    assert.equal(status, 'CREATE_IN_PROGRESS');
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const xml = await cloudFormation('DescribeStackResources', { StackName: name });
  const found = [...xml.matchAll(/<member>.*?<\/member>/gs)].map(([member]): [string, { type: string; physicalId: string }] => {
    const field = (tag: string) => new RegExp(`<${tag}>(.*?)</${tag}>`).exec(member)?.[1] ?? '';
    return [field('LogicalResourceId'), { type: field('ResourceType'), physicalId: field('PhysicalResourceId') }];
  });
  return new Map(found.filter(([id]) => id !== ''));
}
