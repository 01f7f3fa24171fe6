// One kind of field each of a JSON document: what it takes, in words and as a check that finds all problems at once.

/** A field. */
export interface Field<Value> {
  /** The range in words. */
  readonly range: string;
  /** One sentence for the reader of docs/deploy-settings.md. */
  readonly description: string;
  /** The fields within, by their names. */
  readonly fields?: Fields;
  /** What is wrong with a value that stands at this path. */
  problems(value: unknown, path: string): string[];
  /** Says what the value is; it is never there. */
  readonly value?: Value;
}

/** Fields by their names; each may be absent, unless it is among the required ones. */
export type Fields = Readonly<Record<string, Field<unknown>>>;

/** The values of fields. */
export type Values<All extends Fields> = { readonly [Name in keyof All]?: All[Name] extends Field<infer Value> ? Value : never };

/** A text of a certain form. */
export function text(pattern: string, range: string, description = ''): Field<string> {
  return simple(range, description, (value) => typeof value === 'string' && new RegExp(`^(?:${pattern})$`).test(value));
}

/** A whole number within a range. */
export function whole(min: number, max: number, description = ''): Field<number> {
  return simple(`a whole number from ${min} to ${max}`, description, (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max);
}

/** Yes or no. */
export function flag(description: string): Field<boolean> {
  return simple('true or false', description, (value) => typeof value === 'boolean');
}

/** Any JSON object, which AWS reads. */
export function document(range: string, description = ''): Field<Record<string, unknown>> {
  return simple(range, description, isObject);
}

/** Items of one kind. */
export function list<Item>(item: Field<Item>, description: string): Field<readonly Item[]> {
  const range = `a list: ${item.range}`;
  return {
    range,
    description,
    ...(item.fields === undefined ? {} : { fields: item.fields }),
    problems: (value, path) => (Array.isArray(value) ? value.flatMap((one, index) => item.problems(one, `${path}[${index}]`)) : [refusal(value, path, range)]),
  };
}

/** Values of one kind by names of a certain form. */
export function map<Value>(names: string, item: Field<Value>, description: string): Field<Readonly<Record<string, Value>>> {
  const range = `an object: ${item.range} by name`;
  return {
    range,
    description,
    problems: (value, path) => {
      if (!isObject(value)) return [refusal(value, path, range)];
      return Object.entries(value).flatMap(([name, one]) => {
        const unfit = new RegExp(`^(?:${names})$`).test(name) ? [] : [`${path} has ${JSON.stringify(name)}: a name must be ${names}`];
        return [...unfit, ...item.problems(one, `${path}.${name}`)];
      });
    },
  };
}

/** An object of these fields. */
export function object<All extends Fields>(fields: All, required: readonly (keyof All & string)[] = [], description = ''): Field<Values<All>> {
  const known = Object.keys(fields).join(', ');
  return {
    range: `an object of ${known}`,
    description,
    fields,
    problems: (value, path) => {
      if (!isObject(value)) return [refusal(value, path, `an object of ${known}`)];
      const within = (name: string) => (path === '' ? name : `${path}.${name}`);
      const missing = required.filter((name) => !(name in value)).map((name) => `${within(name)} is missing: it must be ${fields[name]?.range}`);
      const others = Object.entries(value).flatMap(([name, one]) => fields[name]?.problems(one, within(name)) ?? [`${within(name)} is not known: ${path === '' ? 'there are' : `${path} has`} ${known}`]);
      return [...missing, ...others];
    },
  };
}

function simple<Value>(range: string, description: string, isFine: (value: unknown) => boolean): Field<Value> {
  return { range, description, problems: (value, path) => (isFine(value) ? [] : [refusal(value, path, range)]) };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const refusal = (value: unknown, path: string, range: string) => `${path} is ${JSON.stringify(value)}: it must be ${range}`;
