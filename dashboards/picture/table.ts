// A table: a row for each value of a label, a column for each query.
import { readable } from '../lib/units.ts';
import type { Panel } from '../test/panels_of.ts';
import type { Shown } from './recorded.ts';
import { unitOf } from './style.ts';
import { type Box, fitted, line, type Shape, text } from './svg.ts';
import { colour, THEME } from './theme.ts';

const [SIZE, HEIGHT] = [11, 22];

/** The table of a panel. */
export function table(panel: Panel, { x, y, w }: Box, shown: readonly (readonly Shown[])[]): Shape[] {
  const titles = ['Queue', ...panel.targets.map(({ legendFormat = '' }) => legendFormat)];
  const rows = [...new Set(shown.flat().map(({ labels }) => labels['queue'] ?? ''))].sort();
  const width = (w - 24) / titles.length;
  const place = (column: number, row: number) => [x + 12 + column * width, y + 16 + row * HEIGHT] as const;
  const head = titles.map((title, column) => text(title, place(column, 0), SIZE, colour('light-blue')));
  const cells = rows.flatMap((queue, index) => {
    const values = shown.map((series) => series.find(({ labels }) => labels['queue'] === queue)?.points.at(-1)?.value);
    const texts = [fitted(queue, width, SIZE), ...values.map((value, column) => (value === undefined ? '' : readable(value, unitOf(panel, titles[column + 1]))))];
    const [, at] = place(0, index + 1);
    const rule = line([[x + 8, at - 15], [x + w - 8, at - 15]], { stroke: THEME.grid });
    return [rule, ...texts.map((label, column) => text(label, place(column, index + 1), SIZE, THEME.title))];
  });
  return [...head, ...cells];
}
