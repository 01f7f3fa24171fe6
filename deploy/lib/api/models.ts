// What a request's JSON must look like before it comes near the queue: JSON schemas of draft 4.

const DRAFT = { $schema: 'http://json-schema.org/draft-04/schema#' };
const ENTRIES_MAX = 10;
/** Ten in all, and each entry gets `requestId`. */
const ATTRIBUTES_MAX = 9;
/** Where the owner's schema stands in that of a batch. */
const OWNERS = '#/definitions/message';
const ID = { type: 'string', minLength: 1, maxLength: 128, pattern: '^[!-~]+$' };

/** An entry of a batch, whose body is held to this. */
const entry = (body: object) => ({
  type: 'object',
  required: ['body'],
  additionalProperties: false,
  properties: {
    id: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,80}$' },
    body,
    groupId: ID,
    deduplicationId: ID,
    delaySeconds: { type: 'integer', minimum: 0, maximum: 900 },
    attributes: { type: 'object', maxProperties: ATTRIBUTES_MAX, additionalProperties: { type: 'string', minLength: 1 } },
  },
});

/** A batch: entries, bare or wrapped; each body is held to the owner's schema, where there is one. */
export function batch(schema: string | undefined): object {
  const entries = { type: 'array', minItems: 1, maxItems: ENTRIES_MAX, items: entry(schema === undefined ? {} : { $ref: OWNERS }) };
  return {
    ...DRAFT,
    title: 'Batch',
    ...(schema === undefined ? {} : { definitions: { message: within(JSON.parse(schema) as object) } }),
    oneOf: [entries, { type: 'object', required: ['entries'], additionalProperties: false, properties: { entries } }],
  };
}

/** A message: any JSON, unless its owner has a schema. */
export function message(schema: string | undefined): object {
  return schema === undefined ? { ...DRAFT, title: 'Message' } : (JSON.parse(schema) as object);
}

/** The owner's schema as a part of another one: what it refers to within itself stands deeper there. */
function within(schema: object): object {
  const { $schema: _, id: __, ...rest } = schema as Record<string, unknown>;
  return deeper(rest) as object;
}

function deeper(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(deeper);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, key === '$ref' && typeof one === 'string' && one.startsWith('#') ? OWNERS + one.slice(1) : deeper(one)]));
}
