// Where panels stand: under a row that asks a question, from left to right, in lines that are full.
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { Panel, RowPanel } from '@grafana/grafana-foundation-sdk/dashboard';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';

/** Grafana's grid is so many columns wide. */
export const COLUMNS = 24;

/** A question, and the panels that answer it. */
export interface Row {
  readonly question: string;
  readonly panels: readonly Builder<Panel>[];
  /** Whether its panels show, and are asked for, only once the reader opens it. */
  readonly collapsed?: 'collapsed';
}

/** All panels with their places and numbers, the rows among them. */
export function place(rows: readonly Row[]): (Panel | RowPanel)[] {
  const placed: (Panel | RowPanel)[] = [];
  let y = 0;
  let id = 0;
  for (const { question, panels, collapsed } of rows) {
    const row = new dashboard.RowBuilder(question).id(++id).gridPos({ x: 0, y, w: COLUMNS, h: 1 }).build();
    const { lines, end } = inLines(panels, y + 1);
    const numbered = lines.map((panel) => ({ ...panel, id: ++id }));
    if (collapsed === undefined) placed.push(row, ...numbered);
    else placed.push({ ...row, collapsed: true, panels: numbered });
    // A collapsed row takes one line, and Grafana moves down what follows when it is opened.
    y = collapsed === undefined ? end : y + 1;
  }
  return placed;
}

/** Panels from left to right, in lines from here on; and where the next row begins. */
function inLines(panels: readonly Builder<Panel>[], top: number): { lines: Panel[]; end: number } {
  let [x, y, lowest] = [0, top, top];
  const lines = panels.map((builder) => {
    const panel = builder.build();
    const { w, h } = panel.gridPos ?? dashboard.defaultGridPos();
    if (x + w > COLUMNS) [x, y] = [0, lowest];
    const gridPos = { x, y, w, h };
    [x, lowest] = [x + w, Math.max(lowest, y + h)];
    return { ...panel, gridPos };
  });
  return { lines, end: lowest };
}
