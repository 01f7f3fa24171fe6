// One kind of setting each: how a text becomes its value, and what CloudFormation is told of its range.
import type { CfnParameterProps } from 'aws-cdk-lib';

/** A setting: where it comes from is another's business. */
export interface Setting<Value> {
  /** One sentence for the reader of docs/deploy-settings.md and of CloudFormation's console. */
  readonly description: string;
  /** What it is when nobody says; absent, it must be given. */
  readonly fallback: Value | undefined;
  /** Whether it may be left out although it has no fallback. */
  readonly presence?: 'optional';
  /** Whether the committed template asks for it at each deployment; the others shape the template itself. */
  readonly parameter: CfnParameterProps | undefined;
  /** The range in words. */
  readonly range: string;
  /** The value that a text means; throws an `Error` that says what is allowed. */
  parse(text: string): Value;
}

/** A whole number within a range. */
export function whole(min: number, max: number, fallback: number, description: string): Setting<number> {
  const range = `a whole number from ${min} to ${max}`;
  return {
    description,
    fallback,
    range,
    parameter: { type: 'Number', minValue: min, maxValue: max, default: fallback, description },
    parse(text) {
      const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
      return check(value >= min && value <= max, value, range);
    },
  };
}

/** One of a few numbers; a text to CloudFormation, since it can be the key of a mapping, and those are texts. */
export function oneOfNumbers(values: readonly number[], fallback: number, description: string): Setting<number> {
  const range = values.join(', ');
  return {
    description,
    fallback,
    range,
    parameter: { type: 'String', allowedValues: values.map(String), default: String(fallback), description },
    parse: (text) => check(values.map(String).includes(text), Number(text), range),
  };
}

/** A text of a certain form. */
export function text(pattern: string, range: string, fallback: string | undefined, description: string): Setting<string> {
  const given = fallback === undefined ? {} : { default: fallback };
  return {
    description,
    fallback,
    range,
    parameter: { type: 'String', allowedPattern: pattern, description, ...given },
    parse: (value) => check(new RegExp(`^(?:${pattern})$`).test(value), value, range),
  };
}

/** One of a few words. */
export function word<const Word extends string>(words: readonly Word[], fallback: Word, description: string): Setting<Word> {
  const range = words.join(', ');
  return {
    description,
    fallback,
    range,
    parameter: { type: 'String', allowedValues: [...words], default: fallback, description },
    parse: (value) => check(words.includes(value as Word), value as Word, range),
  };
}

/** The same setting, fixed when the template is made: it decides which resources there are. */
export function shape<Value>(setting: Setting<Value>): Setting<Value> {
  return { ...setting, parameter: undefined };
}

/** The same setting, which may be absent. */
export function optional<Value>(setting: Setting<Value>): Setting<Value | undefined> {
  return { ...shape(setting), fallback: undefined, presence: 'optional' };
}

function check<Value>(fine: boolean, value: Value, range: string): Value {
  if (!fine) throw new Error(`must be ${range}`);
  return value;
}
