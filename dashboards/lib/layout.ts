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
}

/** All panels with their places and numbers, the rows among them. */
export function place(rows: readonly Row[]): (Panel | RowPanel)[] {
  const placed: (Panel | RowPanel)[] = [];
  let y = 0;
  for (const { question, panels } of rows) {
    placed.push(new dashboard.RowBuilder(question).id(placed.length + 1).gridPos({ x: 0, y, w: COLUMNS, h: 1 }).build());
    y += 1;
    let [x, lowest] = [0, y];
    for (const panel of panels.map((builder) => builder.build())) {
      const { w, h } = panel.gridPos ?? dashboard.defaultGridPos();
      if (x + w > COLUMNS) [x, y] = [0, lowest];
      placed.push({ ...panel, id: placed.length + 1, gridPos: { x, y, w, h } });
      [x, lowest] = [x + w, Math.max(lowest, y + h)];
    }
    y = lowest;
  }
  return placed;
}
