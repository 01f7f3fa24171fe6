// The shapes that the template can have; every rule is held against each of them.

const BASE = { PROJECT_NAME: 'orders', STAGE: 'test', IMAGE: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/longshore:1.0.0', HANDLER_IMAGE: 'handler:1' };
const { HANDLER_IMAGE: _, ...WITHOUT_HANDLER } = BASE;

/** By name, the settings that differ from the defaults. */
export const SHAPES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  standard: BASE,
  fifo: { ...BASE, FIFO: 'yes' },
  public: { ...BASE, NETWORK: 'public', NOTIFY: 'none' },
  existing: { ...BASE, NETWORK: 'existing', VPC_ID: 'vpc-0123456789abcdef0', SUBNET_IDS: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1' },
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
  everything: {
    ...BASE,
    NOTIFY: 'done,failure,reject',
    WAF_ACL_ARN: 'arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/orders/0123',
    ALARM_EMAIL: 'ops@example.com',
    MESSAGE_SCHEMA: '{"type": "object", "required": ["order"]}',
    API_AUTHORIZATION: 'NONE',
  },
};
