// The mapping templates of API Gateway, read from `templates/` and filled in.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Beside the packed module's `dist/`, or beside `build/lib/` while it is worked on. */
const ROOT = new URL(import.meta.url.endsWith('/build/lib/api/templates.js') ? '../../../templates/' : '../../templates/', import.meta.url);

/** SQS's words for what the sender has done wrong; those of the worker's own front door. */
const SENDER_CODES = [
  'InvalidMessageContents',
  'InvalidParameterValue',
  'InvalidAttributeValue',
  'MissingParameter',
  'MissingRequiredParameter',
  'InvalidParameterCombination',
  'UnsupportedOperation',
  'Serialization',
  'Validation',
  'EmptyBatchRequest',
  'TooManyEntriesInBatchRequest',
  'BatchEntryIdsNotDistinct',
  'InvalidBatchEntryId',
];

/** The text of a template, with each `@{name}` replaced by its value, or by the template of that name. */
export function template(name: string, values: Readonly<Record<string, string>> = {}): string {
  const known: Record<string, string> = { senderCodes: `|${SENDER_CODES.join('|')}|`, ...values };
  return readFileSync(fileURLToPath(new URL(name, ROOT)), 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('##'))
    .map((line) => line.replaceAll('": ', '":').replaceAll('", ', '",'))
    .map((line) => line.replaceAll(/@\{([\w.]+)\}/g, (_, key: string) => fill(key, known)))
    .join('\n');
}

function fill(key: string, values: Readonly<Record<string, string>>): string {
  if (key.endsWith('.vtl')) return template(key, values);
  const value = values[key];
  if (value === undefined) throw new Error(`the template has no value for @{${key}}`);
  return value;
}
