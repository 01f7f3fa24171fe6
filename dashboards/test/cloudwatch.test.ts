// The CloudWatch dashboard: nothing here can ask CloudWatch, so its queries are compared with what AWS documents.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { ALL, HERE, isOfLog, named, type Target } from './panels_of.ts';

/** AWS's metrics by namespace, with the dimensions that they are published under and the statistics that mean something. */
const OF_AWS: Readonly<Record<string, { dimensions: readonly string[]; metrics: Readonly<Record<string, readonly string[]>> }>> = {
  'AWS/SQS': {
    dimensions: ['QueueName'],
    metrics: {
      ApproximateAgeOfOldestMessage: ['Maximum'],
      ApproximateNumberOfMessagesDelayed: ['Average', 'Maximum'],
      ApproximateNumberOfMessagesNotVisible: ['Average', 'Maximum'],
      ApproximateNumberOfMessagesVisible: ['Average', 'Maximum'],
      NumberOfEmptyReceives: ['Sum'],
      NumberOfMessagesDeleted: ['Sum'],
      NumberOfMessagesReceived: ['Sum'],
      NumberOfMessagesSent: ['Sum'],
    },
  },
  'AWS/ECS': {
    dimensions: ['ClusterName,ServiceName'],
    metrics: { CPUUtilization: ['Average', 'Maximum'], MemoryUtilization: ['Average', 'Maximum'] },
  },
  'ECS/ContainerInsights': {
    dimensions: ['ClusterName,ServiceName'],
    metrics: { DesiredTaskCount: ['Average'], RunningTaskCount: ['Average'] },
  },
  'AWS/ApiGateway': {
    dimensions: ['ApiName', 'ApiId'],
    metrics: { Count: ['Sum'], '4XXError': ['Sum'], '5XXError': ['Sum'], '4xx': ['Sum'], '5xx': ['Sum'], Latency: ['p95'], IntegrationLatency: ['p95'] },
  },
};
/** Names that only one of the two kinds of APIs has; the HTTP APIs are told by their id. */
const OF_REST = ['4XXError', '5XXError'];
const OF_HTTP = ['4xx', '5xx'];

const DASHBOARD = ALL.filter(({ file }) => file === 'cloudwatch.json');
const TARGETS = named(DASHBOARD).filter(({ panel }) => !isOfLog(panel)).flatMap(({ name, panel }) => panel.targets.map((target) => ({ name, target })));
const isMetric = ({ target }: { target: Target }) => Boolean(target.metricName);

it('every metric of AWS is one that AWS publishes, under these dimensions, with a statistic that means something', () => {
  for (const { name, target } of TARGETS.filter(isMetric)) {
    const { namespace = '', metricName = '', dimensions = {}, statistic = '' } = target;
    if (namespace === 'Longshore') continue;
    const published = OF_AWS[namespace];
    assert.ok(published, `${name}: ${namespace}`);
    assert.ok(published.metrics[metricName]?.includes(statistic), `${name}: ${namespace} ${metricName} ${statistic}`);
    assert.ok(published.dimensions.includes(Object.keys(dimensions).sort().join(',')), `${name}: ${Object.keys(dimensions)}`);
    if (OF_REST.includes(metricName)) assert.ok('ApiName' in dimensions, name);
    if (OF_HTTP.includes(metricName)) assert.ok('ApiId' in dimensions, name);
  }
});

it('every metric of the worker is one that docs/ecs.md tells, with its statistic', () => {
  const page = readFileSync(join(HERE, '..', 'docs', 'ecs.md'), 'utf8');
  const told = new Map([...page.matchAll(/^\| `(\w+)` \| \w+ \| (\w+) \|/gm)].map(([, name = '', statistic = '']) => [name, statistic]));
  const own = TARGETS.filter(({ target }) => target.namespace === 'Longshore');
  assert.ok(own.length > 0);
  for (const { name, target } of own) {
    assert.equal(told.get(target.metricName ?? ''), target.statistic?.toLowerCase(), `${name}: ${target.metricName}`);
    assert.deepEqual(Object.keys(target.dimensions ?? {}), ['QueueName'], name);
  }
});

it('every sum is over queries of its own panel, and they alone are hidden', () => {
  for (const { name, panel } of named(DASHBOARD).filter(({ panel: one }) => !isOfLog(one))) {
    const ids = panel.targets.map(({ id }) => id ?? '');
    assert.equal(new Set(ids).size, ids.length, name);
    const sums = panel.targets.filter(({ expression }) => expression);
    for (const { expression = '' } of sums) {
      for (const [id] of expression.matchAll(/\b[a-z]\w*\b/g)) assert.ok(ids.includes(id), `${name}: ${id}`);
    }
    for (const target of panel.targets) assert.equal((target as { hide?: boolean }).hide ?? false, sums.length > 0 && isMetric({ target }), name);
  }
});

it('it opens on the stack of deploy/: queue, DLQ, cluster, service and API are those of one prefix, though an account has many', () => {
  const list = DASHBOARD.flatMap(({ templating }) => templating.list);
  const chosen = (name: string, stack: string, offered: readonly string[]) => {
    const { regex = '' } = list.find((variable) => variable.name === name) ?? {};
    const pattern = new RegExp(regex.replace('${stack}', stack).slice(1, -1));
    return offered.flatMap((one) => one.match(pattern)?.slice(0, 2).at(-1) ?? []);
  };
  const queues = ['a-queue-dlq', 'jobs', 'orders-prod-dlq', 'orders-prod-queue', 'orders-prod2-queue', 'shop-dev-dlq.fifo', 'shop-dev-queue.fifo'];
  assert.deepEqual(chosen('stack', '', queues), ['orders-prod', 'orders-prod2', 'shop-dev']);
  assert.deepEqual(chosen('queue', 'orders-prod', queues), ['orders-prod-queue']);
  assert.deepEqual(chosen('queue', 'shop-dev', queues), ['shop-dev-queue.fifo']);
  assert.deepEqual(chosen('dlq', 'shop-dev', queues), ['shop-dev-dlq.fifo']);
  assert.deepEqual(chosen('cluster', 'orders-prod', ['orders-prod', 'orders-prod2']), ['orders-prod']);
  assert.deepEqual(chosen('service', 'orders-prod', ['other', 'orders-prod-worker']), ['orders-prod-worker']);
  assert.deepEqual(chosen('rest_api', 'orders-prod', ['other', 'orders-prod-rest-api']), ['orders-prod-rest-api']);
  const constructs = ['longshore_queue.ts', 'service/longshore_service.ts', 'api/rest.ts'];
  const names = constructs.map((file) => readFileSync(join(HERE, '..', 'deploy', 'lib', file), 'utf8')).join('');
  for (const name of ['prefix}-queue${suffix}', 'prefix}-dlq${suffix}', 'prefix}-worker', 'prefix}-rest-api']) assert.ok(names.includes(name), name);
});

it('every dimension is what the reader chose', () => {
  const variables = DASHBOARD.flatMap(({ templating }) => templating.list.map(({ name }) => `\${${name}}`));
  for (const { name, target } of TARGETS.filter(isMetric)) {
    for (const value of Object.values(target.dimensions ?? {})) assert.ok(variables.includes(value), `${name}: ${value}`);
  }
});
