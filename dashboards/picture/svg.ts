// The few shapes that pictures are made of.

/** A part of a picture, as text. */
export type Shape = string;

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

/** A point of a line. */
export type Point = readonly [number, number];

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** A letter's width, of the font size; fonts differ, and this is a wide one. */
const LETTER = 0.55;

/** The whole picture. */
export function picture(w: number, h: number, background: string, shapes: readonly Shape[]): string {
  const style = 'text{font-family:Inter,Helvetica,Arial,sans-serif;white-space:pre}';
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}">`;
  return `${head}<style>${style}</style>${rectangle({ x: 0, y: 0, w, h }, { fill: background })}\n${shapes.join('\n')}\n</svg>\n`;
}

export function rectangle({ x, y, w, h }: Box, attributes: Attributes): Shape {
  return element('rect', { x: short(x), y: short(y), width: short(w), height: short(h), ...attributes });
}

export function line(points: readonly Point[], attributes: Attributes): Shape {
  return element('path', { d: `M${points.map(([x, y]) => `${short(x)} ${short(y)}`).join('L')}`, fill: 'none', ...attributes });
}

export function area(points: readonly Point[], attributes: Attributes): Shape {
  return element('path', { d: `M${points.map(([x, y]) => `${short(x)} ${short(y)}`).join('L')}Z`, ...attributes });
}

/** Many rectangles of one colour, which are much shorter as one shape. */
export function rectangles(boxes: readonly Box[], attributes: Attributes): Shape {
  return element('path', { d: boxes.map(({ x, y, w, h }) => `M${short(x)} ${short(y)}h${short(w)}v${short(h)}h${short(-w)}z`).join(''), ...attributes });
}

/** A text that begins, ends or is centred at a place. */
export function text(content: string, [x, y]: Point, size: number, fill: string, anchor: 'start' | 'middle' | 'end' = 'start'): Shape {
  const attributes = { x: short(x), y: short(y), 'font-size': size, fill, 'text-anchor': anchor === 'start' ? undefined : anchor };
  return `<text${written(attributes)}>${escaped(content)}</text>`;
}

/** The text, cut where it would not fit. */
export function fitted(content: string, width: number, size: number): string {
  const most = Math.floor(width / (size * LETTER));
  return content.length <= most ? content : `${content.slice(0, Math.max(most - 1, 1))}…`;
}

/** How wide a text is, about. */
export const widthOf = (content: string, size: number): number => content.length * size * LETTER;

function element(name: string, attributes: Attributes): Shape {
  return `<${name}${written(attributes)}/>`;
}

function written(attributes: Attributes): string {
  return Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join('');
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** Tenths of a pixel are as much as anybody sees. */
const short = (value: number): number => Math.round(value * 10) / 10;
