// The queries by themselves: metrics that exist, rates of counters only, quantiles of sums.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ALL, ALL_OR_NONE } from '../lib/variables.ts';
import { CATALOGUE, find } from './catalogue.ts';
import { expressions, isOfPrometheus, metricsIn, named, OF_PROMETHEUS } from './panels_of.ts';

/** Metrics of the catalogue that no panel shows, and why. */
const NOT_SHOWN: Readonly<Record<string, string>> = {
  longshore_admin_connections_closed_total: 'what clients of the admin port do wrong, which the log names',
  longshore_drain_limit_seconds: 'what LongshoreDrainExceeded compares with',
  longshore_handler_attributes_left_out_total: 'what senders call their attributes, which a dashboard does not change',
  longshore_queues_unopened: 'zero but for a start and a missing queue, which /status and the log name',
  process_max_fds: 'a limit that the worker comes nowhere near',
  process_open_fds: 'a worker has few files open, and its log says when there are too many',
  process_threads: 'a worker has always the same few threads',
};

/** What Prometheus itself tells. */
const OF_ITS_OWN = ['up', 'ALERTS'];

it('every metric in a query is in the catalogue, with the labels it is asked for', () => {
  for (const { name, expr } of expressions()) {
    for (const [, series = '', matchers = ''] of expr.matchAll(/(\w+)\{([^}]*(?:\$\{[^}]*\}[^}]*)*)\}/g)) {
      const metric = find(series);
      if (OF_ITS_OWN.includes(series)) continue;
      assert.ok(metric, `${name}: there is no ${series}`);
      for (const [, label = ''] of matchers.matchAll(/(\w+)(?:=~|!~|!=|=)/g)) {
        assert.ok(['cluster', 'namespace', 'job', 'instance', ...metric.labels].includes(label), `${name}: ${series} has no label ${label}`);
      }
    }
  }
});

it('every metric of the catalogue is in some panel, or there is a reason', () => {
  const used = new Set(expressions().flatMap(({ expr }) => metricsIn(expr)).flatMap((name) => [name, name.replace(/_(bucket|sum|count)$/, '')]));
  const missing = [...CATALOGUE.keys()].filter((name) => !used.has(name) && !(name in NOT_SHOWN));
  assert.deepEqual(missing, []);
  assert.deepEqual(Object.keys(NOT_SHOWN).filter((name) => used.has(name)), [], 'these are shown after all');
});

it('counters are never shown as they are, and only they have a rate', () => {
  for (const { name, expr } of expressions()) {
    const rated = [...expr.matchAll(/(?:rate|increase)\((\w+)\{/g)].map(([, series]) => series ?? '');
    for (const series of rated) assert.equal(find(series)?.kind, 'counter', `${name}: ${series}`);
    const counters = metricsIn(expr).filter((series) => find(series)?.kind === 'counter');
    // A difference between two points names its counter three times.
    const differences = expr.split(' offset $__interval >= 0 or ').length - 1;
    assert.equal(counters.length, rated.length + 3 * differences, `${name}: a counter without its rate`);
  }
});

it('a rate is over the interval that Grafana chooses, or over all that is shown', () => {
  for (const { name, panel } of named(OF_PROMETHEUS)) {
    for (const { expr: whole, instant } of panel.targets.filter(isOfPrometheus)) {
      // Whether there was a worker at all is asked of all the time that is shown.
      const expr = whole.replaceAll(/last_over_time\([^[]*\[\$__range\]\)/g, '');
      const windows = [...expr.matchAll(/\}\[([^\]]+)\]/g)].map(([, window]) => window);
      const allowed = instant === true ? ['$__rate_interval', '$__range'] : ['$__rate_interval'];
      for (const window of windows) assert.ok(allowed.includes(window ?? ''), `${name}: ${window}`);
    }
  }
});

it('a quantile is that of a sum over le', () => {
  for (const { name, expr } of expressions()) {
    const quantiles = expr.match(/histogram_quantile\(/g)?.length ?? 0;
    assert.equal(expr.match(/histogram_quantile\([\d.]+, sum by \(le(, \w+)*\)/g)?.length ?? 0, quantiles, name);
  }
});

it('values of variables stand in backticks, escaped for a regular expression', () => {
  const asked = OF_PROMETHEUS.flatMap(({ templating }) => templating.list).map(({ query }) => (typeof query === 'string' ? query : query.query));
  for (const text of [...expressions().map(({ expr }) => expr), ...asked.filter((query) => query.startsWith('label_values'))]) {
    const uses = [...text.matchAll(/(..)\$\{?(cluster|namespace|job|instance|queue|kind)\b([^}]*)\}?(.)/g)];
    for (const [use, before, , format, after = ''] of uses) {
      assert.deepEqual([before, format], ['~`', ':regex'], `${text}: ${use}`);
      // After a bar there is nothing: an alert that is not about a queue has none.
      assert.ok(['`', '|'].includes(after), `${text}: ${use}`);
    }
  }
});

it('what may be chosen several times at once offers all of it without listing it', () => {
  for (const variable of OF_PROMETHEUS.flatMap(({ templating }) => templating.list)) {
    const all = ['cluster', 'namespace'].includes(variable.name) ? ALL_OR_NONE : ALL;
    if (variable.multi) assert.deepEqual([variable.includeAll, variable.allValue], [true, all], variable.name);
  }
});
