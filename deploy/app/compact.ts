// Writes templates with less: joins become substitutions, and a line holds a property.

/** The same value with each `Fn::Join` of texts and references as a `Fn::Sub`, which is shorter. */
export function substituted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(substituted);
  if (typeof value !== 'object' || value === null) return value;
  const join = (value as Record<string, unknown>)['Fn::Join'];
  const text = Array.isArray(join) && join[0] === '' ? (join[1] as unknown[]).map(partOfText) : [undefined];
  if (!text.includes(undefined)) return { 'Fn::Sub': text.join('') };
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, substituted(inner)]));
}

/** A part of a join as it is written in a substitution; `undefined` for what cannot be. */
function partOfText(part: unknown): string | undefined {
  if (typeof part === 'string') return part.replaceAll('${', '${!');
  const { Ref, 'Fn::GetAtt': attribute, 'Fn::Sub': inner } = part as Record<string, unknown>;
  if (typeof Ref === 'string') return `\${${Ref}}`;
  if (Array.isArray(attribute)) return `\${${attribute.join('.')}}`;
  return typeof inner === 'string' ? inner : undefined;
}

/** Values up to this length are written on one line. */
const LINE_CHARS = 900;

/** JSON with a line for each property of each larger resource: indentation would cost a third of the room. */
export function lines(template: unknown): string {
  return `${broken(template, 3)}\n`;
}

function broken(value: unknown, depth: number): string {
  const whole = JSON.stringify(value);
  if (depth === 0 || typeof value !== 'object' || value === null || Array.isArray(value) || whole.length <= LINE_CHARS) return whole;
  const entries = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${broken(inner, key === 'Properties' ? depth : depth - 1)}`);
  return `{\n${entries.join(',\n')}}`;
}
