// A heat map: how many observations fell between two bounds, over time.
import type { Span } from '../live/answers.ts';
import { readable } from '../lib/units.ts';
import { axes, legend, times } from './axes.ts';
import type { Shown } from './recorded.ts';
import { type Box, rectangle, type Shape, text } from './svg.ts';
import { colour, THEME } from './theme.ts';

const COLUMNS = 60;

/** The heat map of a histogram's buckets, which count all that is at most their bound. */
export function heatmap(box: Box, shown: readonly Shown[], span: Span): Shape[] {
  const buckets = apart(shown, span);
  const used = buckets.map(({ cells }) => cells.some((cell) => cell > 0));
  const [lowest, highest] = [Math.max(used.indexOf(true) - 1, 0), used.lastIndexOf(true)];
  const rows = buckets.slice(lowest, highest + 2);
  const most = Math.max(...rows.flatMap(({ cells }) => cells));
  const frame = axes(box, span, Math.max(rows.length, 1));
  const [w, h] = [frame.inside.w / COLUMNS, frame.inside.h / Math.max(rows.length, 1)];
  const every = Math.ceil(rows.length / 6);
  const shapes = rows.flatMap(({ bound, cells }, row) => {
    const y = frame.y(row + 1);
    const label = row % every === 0 && Number.isFinite(bound) ? [text(readable(bound, 's'), [frame.inside.x - 6, y + 4], 10, THEME.text, 'end')] : [];
    return [...label, ...cells.flatMap((cell, column) => (cell <= 0 ? [] : [rectangle({ x: frame.inside.x + column * w, y, w: w - 0.6, h: h - 0.6 }, shade(cell / most))]))];
  });
  return [...shapes, ...times(frame, span), ...legend(frame, [{ name: 'darker is fewer', colour: colour('dark-blue') }])];
}

function shade(share: number): Record<string, string | number> {
  return { fill: colour('light-blue'), 'fill-opacity': Math.round((0.12 + 0.88 * Math.sqrt(share)) * 100) / 100 };
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
