// What no single text can say of a deployment: the fields of `DETAILS`, behind the check and the table of docs/deploy-settings.md.
import { document, type Field, flag, list, map, object, text, type Values, whole } from './field.ts';

const VARIABLE = '[A-Za-z_][A-Za-z0-9_]*';
const arn = (service: string, what: string, description = '') => text(`arn:[a-z0-9-]+:${service}:[A-Za-z0-9:/_.+=@*-]+`, `the ARN of ${what}`, description);
const anyText = text('[\\s\\S]+', 'a text');
const group = text('sg-[0-9a-f]{8,17}', 'the id of a security group');

/** The secret of Secrets Manager by its whole ARN, or a parameter of SSM. */
const SECRET = text(
  'arn:[a-z0-9-]+:secretsmanager:[a-z0-9-]+:\\d{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}(:[A-Za-z0-9_.-]*:[A-Za-z0-9_.-]*:[A-Za-z0-9-]*)?|arn:[a-z0-9-]+:ssm:[a-z0-9-]+:\\d{12}:parameter/[A-Za-z0-9/_.-]+',
  'the ARN of a secret with its six last characters, and where wanted `:key::` for a key of its JSON, or of a parameter of SSM',
);

const HEALTH_CHECK = object(
  { command: list(anyText, ''), interval: whole(5, 300), timeout: whole(2, 60), retries: whole(1, 10), startPeriod: whole(0, 300) },
  ['command'],
  'What ECS asks it by, such as `["CMD", "/healthy"]`, and seconds; the worker waits until the handler is healthy.',
);
const FILE_SYSTEM = object(
  {
    id: text('fs-[0-9a-f]{8,40}', 'the id of a file system of EFS'),
    path: text('/.*', 'a path in the container'),
    securityGroup: group,
    accessPoint: text('fsap-[0-9a-f]{8,40}', 'the id of an access point'),
    readOnly: flag(''),
  },
  ['id', 'path', 'securityGroup'],
);

function container(of: string): Field<Values<typeof CONTAINER>> {
  return object(CONTAINER, [], `The container of the ${of}.`);
}

const CONTAINER = {
  environment: map(VARIABLE, anyText, 'Variables that anyone who may describe the task can read.'),
  secrets: map(VARIABLE, SECRET, 'Variables that ECS reads when the task starts, by the execution role.'),
  command: list(anyText, 'The command in place of the image\'s own, or of `run`.'),
  user: text('[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?', 'a user, with a group after a colon', 'The user in place of the image\'s own.'),
  healthCheck: HEALTH_CHECK,
  ulimits: map('core|cpu|data|fsize|locks|memlock|msgqueue|nice|nofile|nproc|rss|rtprio|rttime|sigpending|stack', whole(0, 1048576), 'Limits, soft and hard.'),
  fileSystems: list(FILE_SYSTEM, 'File systems of EFS, over TLS and by the task role; `securityGroup` is that of their mount targets.'),
};

const STATEMENT = object(
  {
    actions: list(text('[a-z0-9-]+:[A-Za-z]+', 'an action without a wildcard'), ''),
    resources: list(text('arn:.+|\\*', 'an ARN'), ''),
    conditions: document('conditions of IAM'),
  },
  ['actions', 'resources'],
);

const TASK = object(
  {
    statements: list(STATEMENT, 'What else the task role may do.'),
    managedPolicies: list(arn('iam', 'a managed policy'), 'Policies for the task role.'),
    secretKeys: list(arn('kms', 'a key'), 'Keys of your own that encrypt the secrets: the execution role decrypts with them.'),
    ephemeralStorage: whole(21, 200, 'GiB of disk of a task, in place of 20.'),
    executeCommand: flag('Whether `aws ecs execute-command` opens a shell; its agent wants root file systems that can be written to.'),
    logBuffer: whole(1, 500, 'MiB of log that ECS keeps before it drops lines.'),
    logRouter: object(
      { image: text('[A-Za-z0-9][A-Za-z0-9._:/@-]{0,499}', 'the name of a container image'), options: map('[A-Za-z0-9_.-]+', anyText, '') },
      ['image', 'options'],
      'A router of logs (FireLens, Fluent Bit) beside the worker, with the options of its output.',
    ),
  },
  [],
  'The task.',
);

const NETWORK = object(
  {
    endpoints: list(text('[a-z0-9.-]+', 'the name of a service, such as `secretsmanager`'), 'More endpoints of the private network; `s3` is there, `dynamodb` becomes a gateway as well.'),
    policies: map('[a-z0-9.-]+', document('a policy'), 'The policies of endpoints, by the service; one without lets all through.'),
    publicIp: flag('Whether tasks get an address each in NETWORK=existing, as they must in the subnets of a default VPC.'),
  },
  [],
  'The network; `endpoints` and `policies` with NETWORK=private.',
);

const AUTHORIZER = object(
  {
    userPools: list(arn('cognito-idp', 'a user pool'), ''),
    issuer: text('https://\\S+', 'the address of an issuer'),
    audience: list(anyText, ''),
    scopes: list(anyText, ''),
    function: arn('lambda', 'a function'),
    header: text('[A-Za-z0-9-]+', 'the name of a header'),
    cache: whole(0, 3600),
  },
  [],
  'Who lets callers in: for COGNITO `userPools`, for JWT `issuer` and `audience`, both with `scopes` where wanted; for LAMBDA `function`, with the `header` that it decides by (`Authorization`) and the seconds of `cache` for which its answer holds (300).',
);
const API = {
  authorizer: AUTHORIZER,
  cors: object({ origins: list(text('\\*|https?://[^/\\s]+', 'an origin such as https://shop.example.com, or *'), ''), maxAge: whole(0, 86400) }, ['origins'], 'Pages that browsers let call the API; a REST API takes one origin.'),
  domain: object(
    { name: text('[a-z0-9.-]+', 'a name such as api.example.com'), certificate: arn('acm', 'a certificate'), trustStore: text('s3://[^/\\s]+/\\S+', 'an object of S3') },
    ['name', 'certificate'],
    'A name of your own, in place of the address of API Gateway, which then answers no more; with `trustStore` clients need a certificate of it (mutual TLS). Its DNS record points to the output `RestRecordTarget` or `HttpRecordTarget`.',
  ),
  throttling: map('(GET|POST) /[a-z0-9/]+', whole(1, 10000), 'Requests a second of single routes, such as `POST /v1/messages/batch`.'),
};
const REST = object(
  {
    ...API,
    key: flag('Whether requests need a key as well; true unless REST_AUTHORIZATION=NONE.'),
    openQueueRoute: flag('Whether everyone may call `GET /queue?message=`, whoever may call the other routes.'),
    compression: whole(0, 10485760, 'Bytes from which on answers are compressed; requests that come compressed are then unpacked. Off by default: answers are short.'),
    policy: document('a resource policy', 'Who may call it at all, with APIS=rest, such as the addresses of an office.'),
  },
  [],
  'The REST API.',
);
const HTTP = object(API, [], 'The same of the HTTP API: authorizer, cors, domain and throttling.');

const EXISTING = object(
  {
    queue: arn('sqs', 'a queue', 'The queue in place of a new one; `VISIBILITY` should be its own.'),
    dlq: arn('sqs', 'a queue', 'The DLQ of that queue.'),
    key: arn('kms', 'a key', 'The key in place of a new one; its policy must let in CloudWatch Logs and, for the alarms, CloudWatch and EventBridge.'),
    topic: arn('sns', 'a topic', 'The topic of outcomes in place of a new one.'),
    alarmTopic: arn('sns', 'a topic', 'The topic of alarms in place of a new one; its policy must let in CloudWatch and EventBridge.'),
    cluster: text('[A-Za-z0-9_-]{1,255}', 'the name of a cluster', 'The cluster in place of a new one; the scaling reads its Container Insights, and `SPOT_SHARE` its capacity providers.'),
    apiLogRole: flag('Whether the account has its role for the logs of API Gateway: none is made then, and none is set.'),
  },
  [],
  'What is there already.',
);
const QUEUE = object(
  {
    name: text('[a-z][a-z0-9_]{0,39}', 'lower-case letters, digits and underscores, a letter first'),
    queue: arn('sqs', 'a queue'),
    dlq: arn('sqs', 'a queue'),
    key: arn('kms', 'a key'),
    handler: document('settings of a handler, as HANDLER'),
    concurrency: whole(1, 100000),
    batchSize: whole(1, 10),
    visibility: whole(10, 43200),
    timeout: whole(1, 43200),
  },
  ['name', 'queue'],
);
const SUBSCRIPTION = object(
  {
    topic: arn('sns', 'a topic'),
    filterPolicy: document('a filter policy of SNS'),
    filterPolicyScope: text('MessageAttributes|MessageBody', 'MessageAttributes or MessageBody'),
    raw: flag(''),
  },
  ['topic'],
);

const DETAILS = object({
  worker: container('worker'),
  handler: container('handler'),
  task: TASK,
  network: NETWORK,
  rest: REST,
  http: HTTP,
  existing: EXISTING,
  queues: list(QUEUE, 'Up to three more queues, which are there already, for the same workers; what one does not say is as the settings say.'),
  subscriptions: list(SUBSCRIPTION, 'Topics that send to the queue; `raw` without the envelope of SNS.'),
  pullThrough: flag('Whether images come by a pull-through cache of ECR: the execution role may then import them, and make their repositories.'),
  tags: map('[A-Za-z0-9 _.:/=+@-]{1,128}', anyText, 'Tags on everything that takes some.'),
});

/** What the details say. */
export type Details = NonNullable<(typeof DETAILS)['value']>;

/** What they say of a container. */
export type ContainerDetails = NonNullable<Details['worker']>;

/** What they say of an API of either kind. */
export type ApiDetails = NonNullable<Details['http']>;

/** What they say of who lets callers in. */
export type AuthorizerDetails = NonNullable<ApiDetails['authorizer']>;

/** What is wrong with the details. */
export function detailProblems(value: unknown): string[] {
  return DETAILS.problems(value, '').map((problem) => `DETAILS: ${problem}`);
}

/** The details of these settings. */
export function detailsOf({ DETAILS: json }: { readonly DETAILS: string | undefined }): Details {
  return json === undefined ? {} : (JSON.parse(json) as Details);
}

/** Markdown, a row for each field; those of a container stand once. */
export function detailsTable(): string {
  const fields = { ...DETAILS.fields, worker: container('worker'), handler: object({}, [], 'The same of the handler\'s container, with HANDLER_IMAGE.'), http: object({}, [], HTTP.description) };
  const rows = Object.entries(fields).flatMap(([name, field]) => [
    `| \`${name}\` | ${field.description}${field.fields === undefined || isList(field) ? ` Takes ${takes(field)}.` : ''} |`,
    ...(isList(field) ? [] : Object.entries(field.fields ?? {}).map(([inner, one]) => `| \`${name}.${inner}\` | ${one.description} Takes ${takes(one)}. |`)),
  ]);
  return ['| field | meaning |', '|---|---|', ...rows].join('\n');
}

const isList = (field: Field<unknown>) => field.problems([], '').length === 0;

function takes({ range }: Field<unknown>): string {
  return range.replaceAll('|', '\\|');
}
