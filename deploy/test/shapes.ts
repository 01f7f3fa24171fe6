// The shapes that the template can have; every rule is held against each of them.

const BASE = { PROJECT_NAME: 'orders', STAGE: 'test', IMAGE: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/longshore:1.0.0', HANDLER_IMAGE: 'handler:1' };
const { HANDLER_IMAGE: _, ...WITHOUT_HANDLER } = BASE;

const SECRET = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-AbC123';
const DETAILS = {
  worker: { secrets: { LONGSHORE_TOKEN: 'arn:aws:ssm:eu-west-1:123456789012:parameter/orders/token' } },
  handler: {
    environment: { MODE: 'fast' },
    secrets: { DB_PASSWORD: `${SECRET}:password::` },
    command: ['serve', '--port', '8080'],
    user: '1000:1000',
    healthCheck: { command: ['CMD', '/healthy'], interval: 10 },
    ulimits: { nofile: 4096 },
    fileSystems: [{ id: 'fs-0123456789abcdef0', path: '/data', securityGroup: 'sg-0123456789abcdef0', accessPoint: 'fsap-0123456789abcdef0' }],
  },
  task: {
    statements: [{ actions: ['s3:GetObject', 's3:PutObject'], resources: ['arn:aws:s3:::orders-archive/in'] }],
    managedPolicies: ['arn:aws:iam::123456789012:policy/orders-table'],
    secretKeys: ['arn:aws:kms:eu-west-1:123456789012:key/0123'],
    ephemeralStorage: 50,
    logBuffer: 25,
  },
  network: {
    endpoints: ['secretsmanager', 'ssm', 'dynamodb', 'elasticfilesystem'],
    policies: { s3: { Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: '*' }] } },
  },
};
const SHELL = {
  task: { executeCommand: true, logRouter: { image: 'public.ecr.aws/aws-observability/aws-for-fluent-bit:stable', options: { Name: 'http', Host: 'logs.example.com' } } },
};

const ARN = (service: string, name: string) => `arn:aws:${service}:eu-west-1:123456789012:${name}`;
const EXISTING = {
  existing: {
    queue: ARN('sqs', 'incoming.fifo'),
    dlq: ARN('sqs', 'incoming-dead.fifo'),
    key: ARN('kms', 'key/0123'),
    topic: ARN('sns', 'outcomes'),
    alarmTopic: ARN('sns', 'pager'),
    cluster: 'shared',
    apiLogRole: true,
  },
  network: { publicIp: true },
  queues: [
    { name: 'letters', queue: ARN('sqs', 'letters'), dlq: ARN('sqs', 'letters-dead'), concurrency: 2, timeout: 7200 },
    { name: 'bounces', queue: ARN('sqs', 'bounces.fifo'), handler: { kind: 'exec', command: ['/app/bounce'] } },
    { name: 'returns', queue: ARN('sqs', 'returns'), key: ARN('kms', 'key/4567'), batchSize: 10, visibility: 60 },
  ],
  pullThrough: true,
  tags: { team: 'orders', 'cost-centre': '7' },
};
const SUBSCRIBED = {
  subscriptions: [
    { topic: ARN('sns', 'events'), filterPolicy: { type: ['order'] }, raw: true },
    { topic: ARN('sns', 'others'), filterPolicy: { detail: { type: ['order'] } }, filterPolicyScope: 'MessageBody' },
  ],
};
const FUNCTION = ARN('lambda', 'function:door');
const DOORS = {
  rest: {
    authorizer: { userPools: [ARN('cognito-idp', 'userpool/eu-west-1_AbCdEf')], scopes: ['orders/send'] },
    cors: { origins: ['https://shop.example.com'], maxAge: 600 },
    domain: { name: 'rest.example.com', certificate: ARN('acm', 'certificate/0123'), trustStore: 's3://orders-trust/clients.pem' },
    throttling: { 'POST /v1/messages/batch': 10 },
    key: false,
    openQueueRoute: true,
    compression: 1024,
  },
  http: {
    authorizer: { issuer: 'https://issuer.example.com/', audience: ['orders'], scopes: ['send'] },
    cors: { origins: ['https://shop.example.com', 'https://desk.example.com'] },
    domain: { name: 'http.example.com', certificate: ARN('acm', 'certificate/4567'), trustStore: 's3://orders-trust/clients.pem' },
    throttling: { 'GET /v1/send': 5 },
  },
};
const BY_FUNCTION = { rest: { authorizer: { function: FUNCTION, header: 'X-Token', cache: 0 }, openQueueRoute: true }, http: { authorizer: { function: FUNCTION } } };
const OFFICE = {
  rest: {
    policy: {
      Statement: [
        { Effect: 'Allow', Principal: '*', Action: 'execute-api:Invoke', Resource: 'execute-api:/*', Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } } },
      ],
    },
  },
};
/** What NETWORK=existing has. */
const IN_VPC = { NETWORK: 'existing', VPC_ID: 'vpc-0123456789abcdef0', SUBNET_IDS: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1' };

/** By name, the settings that differ from the defaults. */
export const SHAPES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  standard: BASE,
  fifo: { ...BASE, FIFO: 'yes' },
  public: { ...BASE, NETWORK: 'public', NOTIFY: 'none' },
  existing: { ...BASE, ...IN_VPC },
  there: { ...BASE, ...IN_VPC, IMAGE: '210987654321.dkr.ecr.eu-west-1.amazonaws.com/mirror/longshore@sha256:0123', DETAILS: JSON.stringify(EXISTING) },
  subscribed: { ...BASE, DETAILS: JSON.stringify(SUBSCRIBED) },
  throwaway: { ...BASE, DATA: 'delete' },
  first: { ...BASE, ECS_ROLE: 'make' },
  groups: {
    ...BASE,
    NETWORK: 'existing',
    VPC_ID: 'vpc-0123456789abcdef0',
    SUBNET_IDS: 'subnet-0123456789abcdef0',
    SECURITY_GROUP_IDS: 'sg-0123456789abcdef0',
  },
  collector: { ...BASE, COLLECTOR_IMAGE: 'public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3' },
  exec: { ...WITHOUT_HANDLER, HANDLER: '{"kind": "exec", "command": ["/app/job", "--fast"], "reject": [65, 66]}' },
  spot: { ...BASE, SPOT_SHARE: '75', MIN_TASKS: '0', MAX_TASKS: '40' },
  doors: { ...BASE, REST_AUTHORIZATION: 'COGNITO', HTTP_AUTHORIZATION: 'JWT', DETAILS: JSON.stringify(DOORS) },
  lambda: { ...BASE, REST_AUTHORIZATION: 'LAMBDA', HTTP_AUTHORIZATION: 'LAMBDA', DETAILS: JSON.stringify(BY_FUNCTION) },
  open: { ...BASE, REST_AUTHORIZATION: 'NONE', HTTP_AUTHORIZATION: 'NONE' },
  office: { ...BASE, APIS: 'rest', DETAILS: JSON.stringify(OFFICE) },
  http: { ...BASE, APIS: 'http', HTTP_AUTHORIZATION: 'NONE' },
  none: { ...BASE, APIS: 'none' },
  handler: { ...BASE, DETAILS: JSON.stringify(DETAILS) },
  eager: { ...BASE, SCALE_OUT: 'workers' },
  shell: { ...BASE, DETAILS: JSON.stringify(SHELL) },
  everything: {
    ...BASE,
    NOTIFY: 'done,failure,reject',
    WAF_ACL_ARN: 'arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/orders/0123',
    ALARM_EMAIL: 'ops@example.com',
    MESSAGE_SCHEMA: '{"type": "object", "required": ["order"]}',
    APIS: 'rest',
    REST_AUTHORIZATION: 'KEY',
  },
};
