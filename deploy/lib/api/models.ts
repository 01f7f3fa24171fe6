// What a request's JSON must look like before it comes near the queue: JSON schemas of draft 4.

const DRAFT = { $schema: 'http://json-schema.org/draft-04/schema#' };
const ENTRIES_MAX = 10;
/** Ten in all, and each entry gets `requestId`. */
const ATTRIBUTES_MAX = 9;
const ID = { type: 'string', minLength: 1, maxLength: 128, pattern: '^[!-~]+$' };

const ENTRY = {
  type: 'object',
  required: ['body'],
  additionalProperties: false,
  properties: {
    id: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,80}$' },
    body: {},
    groupId: ID,
    deduplicationId: ID,
    delaySeconds: { type: 'integer', minimum: 0, maximum: 900 },
    attributes: { type: 'object', maxProperties: ATTRIBUTES_MAX, additionalProperties: { type: 'string', minLength: 1 } },
  },
};

const ENTRIES = { type: 'array', minItems: 1, maxItems: ENTRIES_MAX, items: ENTRY };

/** A batch: entries, bare or wrapped. */
export const BATCH = {
  ...DRAFT,
  title: 'Batch',
  oneOf: [ENTRIES, { type: 'object', required: ['entries'], additionalProperties: false, properties: { entries: ENTRIES } }],
};

/** A message: any JSON, unless its owner has a schema. */
export function message(schema: string | undefined): object {
  return schema === undefined ? { ...DRAFT, title: 'Message' } : (JSON.parse(schema) as object);
}
