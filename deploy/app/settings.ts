// Every setting of the deployment, with its range: the one table behind the environment, the template and docs/deploy-settings.md.
import { type Setting, oneOfNumbers, optional, shape, text, whole, word } from './setting.ts';

const ARN = (service: string) => `arn:[a-z0-9-]+:${service}:[A-Za-z0-9:/_.-]+`;
const IMAGE = '[A-Za-z0-9][A-Za-z0-9._:/@-]{0,499}';
/** Fewer than the 14 of the DLQ, so that a message outlives its move there. */
export const DAYS = Array.from({ length: 13 }, (_, index) => index + 1);
export const SHARES = [0, 25, 50, 75, 100];

const image = (fallback: string | undefined, description: string) =>
  text(IMAGE, 'the name of a container image', fallback, description);

export const SETTINGS = {
  PROJECT_NAME: text('[a-z][a-z0-9-]{0,23}', '1 to 24 lower-case letters, digits and hyphens, a letter first', undefined, 'The first part of every name.'),
  STAGE: text('[a-z][a-z0-9-]{0,11}', '1 to 12 lower-case letters, digits and hyphens, a letter first', 'dev', 'The second part of every name.'),

  IMAGE: image(undefined, 'The image of the worker.'),
  APIS: shape(word(['both', 'rest', 'http', 'none'], 'both', 'Which APIs are in front of the queue.')),
  API_THROTTLING: whole(1, 10000, 100, 'Requests a second that each API takes.'),
  /** A method that changes needs a new deployment of its API, and a parameter makes none. */
  REST_AUTHORIZATION: shape(word(['AWS_IAM', 'KEY', 'COGNITO', 'LAMBDA', 'NONE'], 'AWS_IAM', 'Who may call the REST API: those whose signed requests IAM allows, those with a key, those whom `rest.authorizer` of DETAILS lets in, or everyone. All but NONE ask for a key as well.')),
  HTTP_AUTHORIZATION: shape(word(['AWS_IAM', 'JWT', 'LAMBDA', 'NONE'], 'AWS_IAM', 'Who may call the HTTP API, as above; JWT and LAMBDA by `http.authorizer` of DETAILS.')),

  QUEUE_RETENTION: oneOfNumbers(DAYS, 4, 'Days that the queue keeps a message; the DLQ keeps it for 14.'),
  DLQ_RETRIES: whole(1, 1000, 5, 'Receives of a message before it moves to the DLQ.'),
  VISIBILITY: whole(10, 43200, 30, 'Seconds that a received message stays hidden; the worker extends it.'),

  BATCH_SIZE: whole(1, 10, 1, 'The most messages that a call of the handler gets.'),
  CONCURRENCY: whole(1, 100000, 16, 'Calls of the handler at once in each task.'),
  TASK_TIMEOUT: whole(1, 43200, 900, 'Seconds that a call of the handler may take.'),

  MIN_TASKS: whole(0, 1000, 1, 'The fewest tasks; 0 costs nothing while the queue is empty.'),
  MAX_TASKS: whole(1, 1000, 10, 'The most tasks.'),
  CPU: oneOfNumbers([256, 512, 1024, 2048, 4096, 8192, 16384], 512, 'CPU units of a task; 1024 are a vCPU.'),
  MEMORY: whole(512, 122880, 1024, 'MiB of memory of a task; Fargate takes certain pairs with CPU.'),
  ARCHITECTURE: word(['X86_64', 'ARM64'], 'X86_64', 'What the images are built for.'),
  SPOT_SHARE: oneOfNumbers(SHARES, 0, 'Percent of the tasks that run on Fargate Spot.'),

  ECS_ROLE: word(['there', 'make'], 'there', 'Whether the account has the role by which ECS acts in it, or the stack makes it; where it is there already, making it fails.'),

  SCALE_OUT: shape(word(['alarms', 'workers'], 'alarms', 'What adds tasks: alarms alone, or the workers too, which see a burst half a minute earlier and may then change the number of their own tasks.')),
  BACKLOG_TARGET: whole(10, 86400, 60, 'Seconds in which the tasks are to start all that waits.'),

  AGE_LIMIT: whole(60, 1209600, 3600, 'Seconds of the oldest message\'s age that raise the alarm.'),
  STALL_LIMIT: whole(1, 1440, 15, 'Minutes without a receive that raise the alarm.'),
  LOG_RETENTION: oneOfNumbers([1, 3, 7, 14, 30, 90, 365], 30, 'Days that logs are kept.'),
  LOG_FILTER: text('[A-Za-z0-9_=,:-]{1,200}', 'a filter such as info,longshore=debug', 'info', 'What the worker logs.'),

  DATA: shape(word(['keep', 'delete'], 'keep', 'What becomes of the queue, its DLQ and the key when their stack goes.')),
  FIFO: shape(word(['no', 'yes'], 'no', 'Whether the queue is FIFO, with high throughput by group.')),
  NETWORK: shape(word(['private', 'public', 'existing'], 'private', 'Where tasks run: a new VPC without internet, a new VPC with public subnets, or your VPC.')),
  VPC_ID: optional(text('vpc-[0-9a-f]{8,17}', 'the id of a VPC', undefined, 'Your VPC, with NETWORK=existing.')),
  SUBNET_IDS: optional(text('subnet-[0-9a-f]{8,17}(,subnet-[0-9a-f]{8,17})*', 'ids of subnets with commas between them', undefined, 'Its subnets, from which AWS can be reached.')),
  SECURITY_GROUP_IDS: optional(text('sg-[0-9a-f]{8,17}(,sg-[0-9a-f]{8,17})*', 'ids of security groups with commas between them', undefined, 'Its security groups for the tasks; absent, a new one that allows HTTPS out and nothing else.')),
  HANDLER_IMAGE: optional(image(undefined, 'The image of an HTTP handler that runs beside the worker; its port is HANDLER_PORT.')),
  HANDLER_PORT: whole(1, 65535, 8080, 'The port of the handler beside the worker.'),
  HANDLER: optional(text('\\{[\\s\\S]*\\}', 'a JSON object of texts, numbers and lists of them', undefined, 'The settings of the handler, such as {"kind": "exec", "command": ["/app/job"]}, when there is no HANDLER_IMAGE.')),
  COLLECTOR_IMAGE: optional(image(undefined, 'The image of an OpenTelemetry collector that runs beside the worker.')),
  NOTIFY: shape(text('(done|failure|reject)(,(done|failure|reject))*|none', 'none, or some of done, failure and reject with commas between them', 'reject', 'The outcomes published to the topic.')),
  WAF_ACL_ARN: optional(text(ARN('wafv2'), 'the ARN of a regional web ACL', undefined, 'The web ACL in front of the REST API, with APIS=rest.')),
  ALARM_EMAIL: optional(text('[^@\\s]+@[^@\\s]+', 'an e-mail address', undefined, 'Who gets the alarms by e-mail.')),
  DETAILS: optional(text('\\{[\\s\\S]*\\}', 'a JSON object, or the path of a file that has one', undefined, 'What no single text can say, such as secrets, policies, endpoints and what is there already (below).')),
  MESSAGE_SCHEMA: optional(text('\\{[\\s\\S]*\\}', 'a JSON schema of draft 4', undefined, 'What every message must look like, with APIS=rest; then there are no `text/plain` and no GET.')),
} satisfies Record<string, Setting<unknown>>;

type Table = typeof SETTINGS;

/** The name of a setting. */
export type SettingName = keyof Table;

/** All settings. A number or text may be a CloudFormation parameter: do not calculate with it. */
export type Settings = { readonly [Name in SettingName]: Table[Name] extends Setting<infer Value> ? Value : never };

/** The table as a list. */
export function eachSetting(): [SettingName, Setting<unknown>][] {
  return Object.entries(SETTINGS) as [SettingName, Setting<unknown>][];
}
