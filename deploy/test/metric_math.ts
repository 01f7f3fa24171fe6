// So much of CloudWatch's metric math as the scaling uses, to calculate with what the template says.
import assert from 'node:assert/strict';
import type { Query } from '../lib/metrics.ts';

/** A value for each minute; `null` where there is none. */
export type Series = (number | null)[];

type Scope = Record<string, Series>;

/** What the last query comes to. */
export function calculate(queries: readonly Query[], metrics: Scope): Series {
  const scope: Scope = { ...metrics };
  let last: Series = [];
  for (const query of queries) {
    if ('expression' in query) scope[query.id] = evaluate(query.expression, scope);
    last = scope[query.id] ?? assert.fail(`no values for ${query.id}`);
  }
  return last;
}

/** Every name becomes its value of the minute; a minute without one of them has no result. */
function evaluate(expression: string, scope: Scope): Series {
  const filled: Scope = { ...scope };
  const plain = expression.replaceAll(/FILL\((\w+), (\w+)\)/g, (_, name: string, by: string) => {
    const key = `${name}_filled_${by}`;
    filled[key] = fill(scope[name] ?? [], by);
    return key;
  });
  const names = [...new Set(plain.match(/[a-z]\w*/g) ?? [])];
  const code = plain.replaceAll('AND', '&&').replaceAll('IF(', 'choose(').replaceAll('==', '===');
  const run = new Function('choose', ...names, `return ${code}`) as (...values: unknown[]) => number;
  const choose = (condition: unknown, one: unknown, other: unknown) => (condition ? one : other);
  const minutes = Math.max(...names.map((name) => (filled[name] ?? assert.fail(`unknown: ${name}`)).length));
  return Array.from({ length: minutes }, (_, minute) => {
    const values = names.map((name) => filled[name]?.[minute] ?? null);
    return values.includes(null) ? null : run(choose, ...values);
  });
}

function fill(series: Series, by: string): Series {
  let before: number | null = null;
  return series.map((value) => {
    before = value ?? before;
    return value ?? (by === 'REPEAT' ? before : Number(by));
  });
}
