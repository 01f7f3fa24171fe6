// The Grafana and the Prometheus of deploy/compose.yaml: what is put into them fits the dashboards and the alerts.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { it } from 'node:test';
import { parse } from 'yaml';
import { HERE, OF_PROMETHEUS } from './panels_of.ts';

const DEPLOY = join(HERE, '..', 'deploy');
const read = (path: string) => parse(readFileSync(join(DEPLOY, path), 'utf8'), { merge: true });
const { grafana, prometheus, worker } = read('compose.yaml').services;
const SOURCES: readonly { type: string; jsonData?: { timeInterval?: string } }[] = read('compose/grafana/datasources/datasources.yaml').datasources;

/** What is mounted, by where. */
function mounts(service: { volumes: readonly string[] }): Map<string, string> {
  return new Map(service.volumes.map((volume): [string, string] => [volume.split(':')[1] ?? '', join(DEPLOY, volume.split(':')[0] ?? '')]));
}

it('every dashboard that Prometheus answers is shown, and no other', () => {
  const folder = read('compose/grafana/dashboards/dashboards.yaml').providers[0].options.path;
  const shown = [...mounts(grafana)].filter(([inside]) => dirname(inside) === folder).map(([inside, path]) => [basename(inside), existsSync(path)]);
  assert.deepEqual(shown.sort(), OF_PROMETHEUS.map(({ file }) => [file, true]).sort());
  assert.ok(mounts(grafana).has(grafana.environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH), 'the home');
});

it('each profile has a service that sends to the queues of its worker, so that the dashboards move', () => {
  const { services } = read('compose.yaml');
  const script = readFileSync(join(DEPLOY, 'compose', 'traffic', 'traffic.py'), 'utf8');
  const queues = [...readFileSync(join(DEPLOY, '..', 'examples', 'http', 'longshore.toml'), 'utf8').matchAll(/^\[queues\.(\w+)\]/gm)].map(([, name]) => name);
  assert.deepEqual([...script.matchAll(/send\("(\w+)"/g)].map(([, name]) => name), queues);
  for (const [name, profile, endpoint] of [['traffic', 'emulator', services.worker.environment.LONGSHORE__AWS__ENDPOINT_URL], ['embedded-traffic', 'embedded', 'http://worker:9324']]) {
    assert.deepEqual(services[name].profiles, [profile]);
    assert.equal(services[name].environment.TRAFFIC_ENDPOINT, endpoint);
    assert.equal([...mounts(services[name]).values()].every(existsSync), true);
  }
});

it('each kind of data source that a dashboard lets choose is there once, but for the logs, which compose shows itself, and other traces than Jaeger’s', () => {
  const left = ['loki', 'tempo', 'grafana-x-ray-datasource'];
  const kinds = OF_PROMETHEUS.flatMap(({ templating }) => templating.list).filter(({ type, query }) => type === 'datasource' && !left.includes(String(query))).map(({ query }) => query);
  assert.deepEqual(SOURCES.map(({ type }) => type).sort(), [...new Set(kinds)].sort());
});

it('the link to the traces works: who looks may explore, and the worker has the name that is searched for', () => {
  assert.equal(grafana.environment.GF_AUTH_ANONYMOUS_ORG_ROLE, 'Editor');
  const searched = OF_PROMETHEUS.flatMap(({ templating }) => templating.list).filter(({ name }) => name === 'service').map(({ query }) => query);
  assert.deepEqual([...new Set(searched)], [worker.environment.OTEL_SERVICE_NAME]);
});

it('Prometheus has the alerts, and Grafana knows how often it scrapes', () => {
  const config = [...mounts(prometheus)].find(([inside]) => inside.endsWith('/prometheus.yml')) ?? assert.fail('no configuration');
  const { global, rule_files: rules } = parse(readFileSync(config[1], 'utf8'));
  const [alerts] = rules.map((name: string) => mounts(prometheus).get(join(dirname(config[0]), name)));
  assert.equal(alerts, join(HERE, 'alerts.yaml'));
  assert.deepEqual(SOURCES.flatMap(({ jsonData }) => jsonData?.timeInterval ?? []), [global.scrape_interval]);
});
