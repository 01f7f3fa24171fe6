// A whole dashboard, every panel in its place with what was recorded.
import type { Dashboard, Panel } from '../test/panels_of.ts';
import { content } from './kinds.ts';
import type { Recorded } from './recorded.ts';
import { type Box, fitted, picture, rectangle, type Shape, text } from './svg.ts';
import { THEME } from './theme.ts';

const [COLUMN, ROW, GAP, HEAD] = [50, 30, 6, 44];

/** The picture of a dashboard; without a record it shows what each panel asks for. */
export function draw(dashboard: Dashboard, recorded: Recorded | undefined): string {
  const height = Math.max(...dashboard.panels.map(({ gridPos: { y, h } }) => y + h)) * ROW + HEAD + GAP;
  const title = text(dashboard.title, [14, 28], 18, THEME.title);
  return picture(24 * COLUMN + GAP, height, THEME.page, [title, ...dashboard.panels.flatMap((panel) => framed(panel, recorded))]);
}

function framed(panel: Panel, recorded: Recorded | undefined): Shape[] {
  const { x, y, w, h } = panel.gridPos;
  const box = { x: x * COLUMN + GAP, y: y * ROW + HEAD, w: w * COLUMN - GAP, h: h * ROW - GAP };
  if (panel.type === 'row') return [text(`⌄ ${panel.title}`, [box.x + 8, box.y + 19], 14, THEME.title)];
  const title = text(fitted(panel.title, box.w - 16, 12), [box.x + 10, box.y + 18], 12, THEME.title);
  const inside = { x: box.x, y: box.y + 26, w: box.w, h: box.h - 26 };
  const within = recorded === undefined ? asked(panel, inside) : content(panel, inside, recorded);
  return [rectangle(box, { fill: THEME.panel, stroke: THEME.border, rx: 3 }), title, ...within];
}

/** What a panel would show, by name. */
function asked({ targets }: Panel, { x, y, w, h }: Box): Shape[] {
  const most = Math.floor((h - 8) / 16);
  const lines = targets.map(({ metricName, statistic, expression }) => (metricName ? `${metricName}, ${statistic}` : `= ${expression}`));
  return lines.slice(0, most).map((label, index) => text(fitted(label, w - 20, 10.5), [x + 10, y + 16 + index * 16], 10.5, THEME.text));
}
