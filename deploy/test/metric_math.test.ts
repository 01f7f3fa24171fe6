// The evaluator against the worked examples of CloudWatch's guide, "Using math expressions with CloudWatch metrics".
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse, type Reading, type Series } from '../sim/metric_math.ts';

const _ = undefined;

function found(expression: string, series: Record<string, Series>, reading: Reading = 'missing') {
  return parse(expression)({ series, reading });
}

describe('metric math', () => {
  it('treats a missing value as 0 in arithmetic, where another series has one', () => {
    assert.deepEqual(found('a + b', { a: [1, _, 3, _], b: [10, 20, _, _] }), [11, 20, 3, _]);
    assert.deepEqual(found('a * b', { a: [2, _], b: [3, 3] }), [6, 0]);
  });

  it('treats a missing value as 0 in comparisons of two series', () => {
    const metrics = { metric1: [30, 20, 0, 0], metric2: [20, _, 20, _] };
    assert.deepEqual(found('metric1 < metric2', metrics), [0, 0, 1, 0]);
    assert.deepEqual(found('metric1 >= 30', metrics), [1, 0, 0, 0]);
    assert.deepEqual(found('metric1 > 15 AND metric2 > 15', metrics), [1, 0, 0, 0]);
  });

  it('drops the point when it divides by 0', () => assert.deepEqual(found('a / b', { a: [6, 6, 6], b: [2, 0, _] }), [3, _, _]));

  it('drops what IF has no condition or no third argument for, and takes 0 for a second one', () => {
    const metrics = { metric1: [1, 1, 0, 0, _], metric2: [30, _, 0, 0, 30], metric3: [0, 0, 20, _, 20] };
    assert.deepEqual(found('IF(metric1, metric2, metric3)', metrics), [30, 0, 20, _, _]);
    assert.deepEqual(found('IF(metric1, 5, metric3)', metrics), [5, 5, 20, _, _]);
    assert.deepEqual(found('IF(metric1, metric2, 5)', metrics), [30, 0, 5, 5, _]);
    assert.deepEqual(found('IF(metric1, metric2)', metrics), [30, 0, _, _, _]);
  });

  it('can be read both ways where a number meets a missing value, of which the guide says nothing', () => {
    assert.deepEqual(found('a >= 0', { a: [1, _] }, 'missing'), [1, _]);
    assert.deepEqual(found('a >= 0', { a: [1, _] }, 'zero'), [1, 1]);
  });

  it('knows what binds tighter', () => {
    assert.deepEqual(found('a + 2 * (a - 1) ^ 2 > 9 || 0', { a: [3, 2] }), [1, 0]);
    assert.deepEqual(found('-a - 1', { a: [3] }), [-4]);
  });

  it('refuses what it does not know, FILL above all', () => {
    for (const expression of ['FILL(a, 0)', 'MAX(a)', 'a +', 'b', '(a', 'a ? 1']) assert.throws(() => found(expression, { a: [1] }), expression);
  });
});
