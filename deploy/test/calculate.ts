// What the queries of an alarm come to, for series by the ids of its metrics.
import assert from 'node:assert/strict';
import type { Query } from '../lib/metrics.ts';
import { parse, type Series } from '../sim/metric_math.ts';

/** The last of the queries, minute by minute. */
export function calculate(queries: readonly Query[], metrics: Readonly<Record<string, Series>>): Series {
  const series: Record<string, Series> = { ...metrics };
  for (const query of queries) if ('expression' in query) series[query.id] = parse(query.expression)({ series, reading: 'missing' }) as Series;
  return series[queries.at(-1)?.id ?? ''] ?? assert.fail('no values');
}
