// The tables of docs/security.md: every role of the template, and the key, with all that each may do.

/** What each is for. A role that has no words here fails the writing of the page. */
const PURPOSES: Readonly<Record<string, string>> = {
  ApiRole: 'Both APIs write to the queue by it.',
  TaskRole: 'The worker has it, and so has whatever runs beside it in the task: a role is the task\'s, not the container\'s.',
  ExecutionRole: 'ECS pulls the images and writes the logs by it, before and beside the containers, which do not get it.',
  RestApiCloudWatchRole: 'API Gateway writes the REST API\'s access log by it. There is one such role for each account and region.',
  Key: 'Who may use the key by the key\'s own policy. The roles above use it by theirs, which the first line allows.',
};

interface Statement {
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Principal?: unknown;
  readonly Condition?: unknown;
}

interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, any>;
}

/** Markdown: a section for each role of the templates, then one for the key. */
export function rolesReference(templates: readonly Readonly<Record<string, unknown>>[]): string {
  const resources = templates.flatMap((template) => Object.entries(template['Resources'] as Record<string, Resource>));
  const of = (type: string) => resources.filter(([, resource]) => resource.Type === type);
  const policies = of('AWS::IAM::Policy').map(([, { Properties }]) => Properties);
  const roles = of('AWS::IAM::Role').map(([id, role]) => roleSection(id, role, policies.filter(({ Roles }) => Roles.some(({ Ref }: { Ref: string }) => Ref === id))));
  return [...roles, ...of('AWS::KMS::Key').map(keySection)].join('\n\n');
}

function roleSection(id: string, { Properties }: Resource, attached: readonly Record<string, any>[]): string {
  const [trust] = Properties['AssumeRolePolicyDocument'].Statement as [Statement];
  const statements: Statement[] = [...(Properties['Policies'] ?? []), ...attached].flatMap((policy: any) => policy.PolicyDocument.Statement);
  const managed: unknown[] = Properties['ManagedPolicyArns'] ?? [];
  const rows = [
    ...statements.map(({ Action, Resource, Condition }) => [listed(Action), code(Resource), when(Condition)]),
    ...managed.map((arn) => [`all of ${code(arn)}`, '', '']),
  ];
  const taken = `It is taken by ${code((trust.Principal as { Service: unknown }).Service)}${trust.Condition ? `, when ${code(trust.Condition)}` : ''}.`;
  return section(id, taken, ['may', 'on', 'when'], rows);
}

function keySection([id, { Properties }]: [string, Resource]): string {
  const statements: Statement[] = Properties['KeyPolicy'].Statement;
  const rows = statements.map(({ Action, Principal, Condition }) => [code(Object.values(Principal as object)[0]), listed(Action), when(Condition)]);
  return section(id, '', ['who', 'may', 'when'], rows);
}

function section(id: string, more: string, head: string[], rows: string[][]): string {
  const purpose = PURPOSES[id];
  if (purpose === undefined) throw new Error(`docs/security.md has no words for ${id}: write them in lib/roles_reference.ts`);
  const table = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return [`### ${id}`, '', `${purpose} ${more}`.trim(), '', ...table].join('\n');
}

const listed = (actions: string | string[]) => [actions].flat().map(code).join(', ');
const when = (condition: unknown) => (condition === undefined ? '' : code(condition));

/** A value of the template as one reads it: what refers to a resource by the resource's name. */
function code(value: unknown): string {
  return `\`${plain(value)}\``;
}

function plain(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const { Ref, 'Fn::GetAtt': attribute, 'Fn::Sub': text, 'Fn::ImportValue': imported } = value as Record<string, any>;
  if (Ref !== undefined) return String(Ref).replace('AWS::', '');
  if (attribute !== undefined) return String(attribute[0]);
  if (text !== undefined) return String(text).replaceAll(/\$\{(?:AWS::)?(\w+)\}/g, '{$1}');
  if (imported !== undefined) return plain(imported);
  if (Array.isArray(value)) return value.map(plain).join(', ');
  return Object.entries(value).map(([key, inner]) => `${key}: ${plain(inner)}`).join('; ');
}
