// What the check does in Grafana's place.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ALL, interpolate, labelValues, type Screen } from '../live/grafana.ts';

const screen: Screen = { variables: { queue: 'a.b', kinds: ['x+y', 'z'], job: ALL, price: '0.40' }, range: 3600, interval: 15, scrape: 15 };

it('a rate is over four scrapes at least, and over a point and a scrape', () => {
  assert.equal(interpolate('rate(x[$__rate_interval])', screen), 'rate(x[60s])');
  assert.equal(interpolate('rate(x[$__rate_interval])', { ...screen, interval: 120 }), 'rate(x[135s])');
  assert.equal(interpolate('x[$__range] y[$__interval]', screen), 'x[3600s] y[15s]');
});

it('a value is escaped for a regular expression, several become alternatives, and all stays as it is', () => {
  assert.equal(interpolate('{queue=~`${queue:regex}`}', screen), '{queue=~`a\\.b`}');
  assert.equal(interpolate('{kind=~`${kinds:regex}`}', screen), '{kind=~`(x\\+y|z)`}');
  assert.equal(interpolate('{job=~`${job:regex}`}', screen), '{job=~`(?s:.+)`}');
  assert.equal(interpolate('x * $price', screen), 'x * 0.40');
});

it('what a value holds is not filled in again', () => {
  const queue = 'costs $price for $__range';
  assert.equal(interpolate('`${queue:regex}`', { ...screen, variables: { ...screen.variables, queue } }), '`costs \\$price for \\$__range`');
});

it('a variable that nobody has chosen is an error, not an empty text', () => {
  assert.throws(() => interpolate('$other', screen), /nothing is chosen for \$other/);
});

it('the query of a variable is a selector and a label', () => {
  assert.deepEqual(labelValues('label_values(up{job=~`a,b`}, instance)'), { selector: 'up{job=~`a,b`}', label: 'instance' });
});
