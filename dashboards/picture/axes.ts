// A frame for what happens over time: the grid, the values at its left, the time below, the names of the series.
import type { Span } from '../live/answers.ts';
import { readable, type Unit } from '../lib/units.ts';
import { type Box, fitted, line, type Point, rectangle, type Shape, text, widthOf } from './svg.ts';
import { THEME } from './theme.ts';

const SIZE = 10;
const [LEFT, BELOW, LEGEND] = [64, 16, 16];

/** Where a moment or a value stands. */
export interface Axes {
  readonly inside: Box;
  readonly x: (time: number) => number;
  readonly y: (value: number) => number;
}

/** The axes in a box, for values from 0 to the most. */
export function axes({ x, y, w, h }: Box, span: Span, most: number): Axes {
  const inside = { x: x + LEFT, y: y + 4, w: w - LEFT - 8, h: h - BELOW - LEGEND - 4 };
  const ofTime = (time: number) => inside.x + ((time - span.start) / (span.end - span.start)) * inside.w;
  return { inside, x: ofTime, y: (value) => inside.y + inside.h - (value / most) * inside.h };
}

/** The grid with its values. */
export function values({ inside, y }: Axes, unit: Unit, marks: readonly number[]): Shape[] {
  return marks.flatMap((value) => [
    line([[inside.x, y(value)], [inside.x + inside.w, y(value)]], { stroke: THEME.grid }),
    text(readable(value, unit), [inside.x - 6, y(value) + 3.5], SIZE, THEME.text, 'end'),
  ]);
}

/** The time since the beginning, in minutes and seconds. */
export function times({ inside, x }: Axes, { start, end }: Span): Shape[] {
  const step = marksUpTo(end - start, Math.max(2, Math.floor(inside.w / 70)), [15, 30, 60, 90, 120, 180, 300, 600])[1] ?? end - start;
  const marks = Array.from({ length: Math.floor((end - start) / step) + 1 }, (_, index) => index * step);
  const clock = (mark: number) => `${Math.floor(mark / 60)}:${String(mark % 60).padStart(2, '0')}`;
  return marks.map((mark) => text(clock(mark), [x(start + mark), inside.y + inside.h + 13], SIZE, THEME.text, 'middle'));
}

/** The names of the series with their colours, as many as fit. */
export function legend({ inside }: Axes, names: readonly { readonly name: string; readonly colour: string }[]): Shape[] {
  const shapes: Shape[] = [];
  const y = inside.y + inside.h + BELOW + 11;
  let x = inside.x - LEFT + 10;
  for (const { name, colour } of names) {
    const label = fitted(name, 150, SIZE);
    const wide = widthOf(label, SIZE) + 26;
    if (x + wide > inside.x + inside.w + 8) break;
    shapes.push(rectangle({ x, y: y - 5, w: 12, h: 3 }, { fill: colour, rx: 1 }), text(label, [x + 16, y], SIZE, THEME.text));
    x += wide;
  }
  return shapes;
}

/** Numbers from 0 up to a value, by the first of these steps that makes no more than so many. */
export function marksUpTo(most: number, count: number, steps: readonly number[]): number[] {
  const step = steps.find((one) => most / one <= count) ?? steps.at(-1) ?? most;
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, index) => index * step);
}

/** Steps that read well in a unit. */
export function roundSteps(most: number, count: number, unit: Unit): number[] {
  if (unit === 'bytes') return [2 ** Math.ceil(Math.log2(most / count))];
  // A minute has sixty seconds.
  if (unit === 's' && most / count > 10) return [15, 30, 60, 120, 300, 600, 1800, 3600];
  const power = 10 ** Math.floor(Math.log10(most / count));
  const steps = [1, 2, 5, 10].map((factor) => factor * power);
  // Half a message is not shown.
  return unit === 'locale' ? steps.map((step) => Math.max(step, 1)) : steps;
}

/** A point for each value. */
export const along = ({ x, y }: Axes, points: readonly { readonly time: number; readonly value: number }[]): Point[] =>
  points.map(({ time, value }) => [x(time), y(value)]);
