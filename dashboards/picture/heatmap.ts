// A heat map: how many observations fell between two bounds, over time.
import type { Span } from '../live/answers.ts';
import { readable } from '../lib/units.ts';
import { type Axes, axes, times } from './axes.ts';
import type { Shown } from './recorded.ts';
import { type Box, rectangle, rectangles, type Shape, text } from './svg.ts';
import { colour, THEME } from './theme.ts';

const COLUMNS = 60;

/** The heat map of a histogram's buckets, which count all that is at most their bound. */
export function heatmap(box: Box, shown: readonly Shown[], span: Span): Shape[] {
  const buckets = apart(shown, span);
  const used = buckets.map(({ cells }) => cells.some((cell) => cell > NOTHING));
  const [lowest, highest] = [Math.max(used.indexOf(true) - 1, 0), used.lastIndexOf(true)];
  const rows = buckets.slice(lowest, highest + 2);
  const most = Math.max(...rows.flatMap(({ cells }) => cells));
  const frame = axes(box, span, Math.max(rows.length, 1));
  const [w, h] = [frame.inside.w / COLUMNS, frame.inside.h / Math.max(rows.length, 1)];
  const every = Math.ceil(rows.length / 6);
  const bounds = rows.map(({ bound }, row) => ({ bound, row })).filter(({ bound, row }) => row % every === 0 && Number.isFinite(bound));
  const labels = bounds.map(({ bound, row }) => text(readable(bound, 's'), [frame.inside.x - 6, frame.y(row + 1) + 4], 10, THEME.text, 'end'));
  const cells = rows.flatMap((row, index) =>
    row.cells.map((cell, column) => ({ shade: shadeOf(cell / most), x: frame.inside.x + column * w, y: frame.y(index + 1), w: w - 0.6, h: h - 0.6 })),
  );
  const shaded = SHADES.map((shade) => rectangles(cells.filter((cell) => cell.shade === shade), { fill: colour('light-blue'), 'fill-opacity': shade }));
  return [...labels, ...shaded, ...scale(frame), ...times(frame, span)];
}

const SHADES = [0.15, 0.3, 0.45, 0.6, 0.8, 1];
/** Sums of parts differ by less than this from what they should be. */
const NOTHING = 1e-9;

/** The shade of a cell, by its share of the fullest one; the root lets one see the few. */
function shadeOf(share: number): number | undefined {
  return share < NOTHING ? undefined : SHADES[Math.min(Math.floor(Math.sqrt(share) * SHADES.length), SHADES.length - 1)];
}

/** What the shades mean. */
function scale({ inside }: Axes): Shape[] {
  const [x, y] = [inside.x, inside.y + inside.h + 27];
  const steps = SHADES.map((shade, index) => rectangle({ x: x + 26 + index * 12, y: y - 8, w: 11, h: 8 }, { fill: colour('light-blue'), 'fill-opacity': shade }));
  return [text('few', [x, y], 10, THEME.text), ...steps, text('many', [x + 32 + SHADES.length * 12, y], 10, THEME.text)];
}

/** Each bucket without those below it, in columns of time. */
function apart(shown: readonly Shown[], span: Span): { bound: number; cells: number[] }[] {
  const sorted = shown.map((one) => ({ ...one, bound: Number(one.labels['le']?.replace('+Inf', 'Infinity')) })).sort((one, other) => one.bound - other.bound);
  const columns = sorted.map(({ points }) => {
    const cells: number[] = Array.from({ length: COLUMNS }, () => 0);
    for (const { time, value } of points) {
      const column = Math.min(Math.floor(((time - span.start) / (span.end - span.start)) * COLUMNS), COLUMNS - 1);
      cells[column] = Math.max(cells[column] ?? 0, value);
    }
    return cells;
  });
  return sorted.map(({ bound }, index) => ({ bound, cells: (columns[index] ?? []).map((cell, column) => Math.max(cell - (columns[index - 1]?.[column] ?? 0), 0)) }));
}
