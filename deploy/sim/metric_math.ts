// CloudWatch's metric math, as far as the template uses it, with its rules for missing data points.
//
// The rules are those of "Using math expressions with CloudWatch metrics" in the CloudWatch user guide:
// - Arithmetic and comparisons treat a value that one series lacks as 0; where every series lacks it, there is no result.
// - A division by 0 drops the data point.
// - IF drops the point when the condition has none, or when the chosen third argument is absent or has none; a missing second one is 0.

/** A value for each minute; `undefined` where there is none. */
export type Series = readonly (number | undefined)[];

/** What a series without a value yields beside a plain number; the guide does not say, and both are simulated. */
export type Reading = 'missing' | 'zero';

type Value = number | Series;
type Evaluate = (scope: Scope) => Value;

/** What an expression may name. */
export interface Scope {
  readonly series: Readonly<Record<string, Series>>;
  readonly reading: Reading;
}

const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|([A-Za-z]\w*)|(<=|>=|==|!=|&&|\|\||[-+*/^<>(),]))/y;
const NAMES: Readonly<Record<string, string>> = { AND: '&&', OR: '||' };

const truth = (value: boolean) => (value ? 1 : 0);
const OPERATIONS: Readonly<Record<string, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '^': (a, b) => a ** b,
  '<': (a, b) => truth(a < b),
  '>': (a, b) => truth(a > b),
  '<=': (a, b) => truth(a <= b),
  '>=': (a, b) => truth(a >= b),
  '==': (a, b) => truth(a === b),
  '!=': (a, b) => truth(a !== b),
  '&&': (a, b) => truth(a !== 0 && b !== 0),
  '||': (a, b) => truth(a !== 0 || b !== 0),
};
/** From the loosest to the tightest. */
const PRECEDENCE = [['||'], ['&&'], ['<', '>', '<=', '>=', '==', '!='], ['+', '-'], ['*', '/'], ['^']];

/** Parses an expression; throws for what this evaluator does not know. */
export function parse(expression: string): Evaluate {
  const tokens = tokensOf(expression);
  const fail = (): never => {
    throw new Error(`not supported: ${tokens.join(' ')} in ${expression}`);
  };
  const take = (token: string) => (tokens[0] === token ? tokens.shift() : fail());

  function level(depth: number): Evaluate {
    const operators = PRECEDENCE[depth];
    if (operators === undefined) return operand();
    let left = level(depth + 1);
    while (operators.includes(tokens[0] ?? '')) {
      const [operator = '', before] = [tokens.shift(), left];
      const after = level(depth + 1);
      left = (scope) => combine(operator, before(scope), after(scope), scope.reading);
    }
    return left;
  }

  function operand(): Evaluate {
    const token = tokens.shift() ?? fail();
    if (token === '(') return inParentheses();
    if (token === '-') {
      const negated = operand();
      return (scope) => combine('-', 0, negated(scope), scope.reading);
    }
    if (token === 'IF') return choice();
    if (/^\d/.test(token)) return () => Number(token);
    if (!/^[a-z]/.test(token)) return fail();
    return ({ series }) => series[token] ?? fail();
  }

  function inParentheses(): Evaluate {
    const inner = level(0);
    take(')');
    return inner;
  }

  function choice(): Evaluate {
    take('(');
    const parts = [level(0)];
    while (tokens[0] === ',') {
      tokens.shift();
      parts.push(level(0));
    }
    take(')');
    const [condition = fail(), one = fail(), other] = parts;
    return (scope) => choose(condition(scope), one(scope), other?.(scope));
  }

  const whole = level(0);
  return tokens.length === 0 ? whole : fail();
}

function tokensOf(expression: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < expression.length) {
    const found = TOKEN.exec(expression);
    if (found === null) throw new Error(`not an expression: ${expression}`);
    tokens.push(NAMES[found[0].trim()] ?? found[0].trim());
  }
  return tokens;
}

function combine(operator: string, a: Value, b: Value, reading: Reading): Value {
  const apply = OPERATIONS[operator] as (a: number, b: number) => number;
  if (typeof a === 'number' && typeof b === 'number') return apply(a, b);
  return minutes(a, b).map((_, minute) => {
    const [left, right] = [at(a, minute), at(b, minute)];
    const lacks = [left, right].filter((value) => value === undefined).length;
    const isMissing = typeof a === 'number' || typeof b === 'number' ? lacks > 0 && reading === 'missing' : lacks === 2;
    const value = isMissing ? undefined : apply(left ?? 0, right ?? 0);
    return value !== undefined && Number.isFinite(value) ? value : undefined;
  });
}

function choose(condition: Value, one: Value, other: Value | undefined): Series {
  return minutes(condition, one, other).map((_, minute) => {
    const holds = at(condition, minute);
    if (holds === undefined) return undefined;
    return holds === 0 ? at(other, minute) : (at(one, minute) ?? 0);
  });
}

function minutes(...values: (Value | undefined)[]): unknown[] {
  const series = values.find((value) => Array.isArray(value)) as Series | undefined;
  return [...(series ?? [0])];
}

function at(value: Value | undefined, minute: number): number | undefined {
  return typeof value === 'object' ? value[minute] : value;
}
