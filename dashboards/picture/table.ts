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
  const transformations = (panel.transformations ?? []).map(({ options }) => options);
  const by = transformations.find(({ byField }) => byField !== undefined)?.byField ?? '';
  const rowTitle = transformations.find(({ renameByName }) => renameByName !== undefined)?.renameByName?.[by] ?? by;
  const titles = [rowTitle, ...panel.targets.map(({ legendFormat = '' }) => legendFormat)];
  const rows = [...new Set(shown.flat().map(({ labels }) => labels[by] ?? ''))].sort();
  const width = (w - 24) / titles.length;
  const place = (column: number, row: number) => [x + 12 + column * width, y + 16 + row * HEIGHT] as const;
  const head = titles.map((title, column) => text(title, place(column, 0), SIZE, colour('light-blue')));
  const cells = rows.flatMap((name, index) => {
    const values = shown.map((series) => series.find(({ labels }) => labels[by] === name)?.points.at(-1)?.value);
    const texts = [fitted(name, width, SIZE), ...values.map((value, column) => (value === undefined ? '' : readable(value, unitOf(panel, titles[column + 1]))))];
    const [, at] = place(0, index + 1);
    const rule = line([[x + 8, at - 15], [x + w - 8, at - 15]], { stroke: THEME.grid });
    return [rule, ...texts.map((label, column) => text(label, place(column, index + 1), SIZE, THEME.title))];
  });
  return [...head, ...cells];
}
