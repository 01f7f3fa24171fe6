// What stands in lines rather than in numbers: the log, and the alerts that are raised.
import type { Line } from '../live/world.ts';
import type { Panel } from '../test/panels_of.ts';
import type { Recorded } from './recorded.ts';
import { type Box, fitted, line as stroke, type Shape, text } from './svg.ts';
import { colour, THEME } from './theme.ts';

const [SIZE, HEIGHT] = [10.5, 18];
const LEVELS: Readonly<Record<string, string>> = { WARN: 'orange', ERROR: 'red' };

/** The lines as they were written. */
export function log({ x, y, w, h }: Box, lines: readonly Line[]): Shape[] {
  return fitting(lines, h).flatMap((line, index) => {
    const at = y + 16 + index * HEIGHT;
    const { timestamp, ...rest } = line;
    const level = text('▎', [x + 8, at], SIZE, colour(LEVELS[String(line['level'])] ?? 'text'));
    return [level, text(clock(timestamp), [x + 18, at], SIZE, THEME.text), text(fitted(JSON.stringify(rest), w - 110, SIZE), [x + 90, at], SIZE, THEME.title)];
  });
}

/** The lines that name a trace, field by field. */
export function tracedLines(panel: Panel, { x, y, w, h }: Box, lines: readonly Line[]): Shape[] {
  const fields = Object.entries(panel.transformations?.find(({ options }) => options.renameByName !== undefined)?.options.renameByName ?? {});
  const columns = [['timestamp', 'Time'] as const, ...fields.filter(([, title]) => title !== 'Time')];
  const shares = [1, 0.6, 0.8, 1.8, 3, 3.4, 2.8].map((share) => (share * (w - 20)) / 13.4);
  const left = (column: number) => x + 12 + shares.slice(0, column).reduce((sum, share) => sum + share, 0);
  const cell = (content: string, column: number, row: number, fill: string) =>
    text(fitted(content, (shares[column] ?? 0) - 8, SIZE), [left(column), y + 16 + row * HEIGHT], SIZE, fill);
  const head = columns.map(([, title], column) => cell(title, column, 0, colour('light-blue')));
  const rows = fitting(lines.filter((line) => line['trace_id'] !== undefined), h - HEIGHT).flatMap((line, index) => {
    const rule = stroke([[x + 8, y + 4 + (index + 1) * HEIGHT], [x + w - 8, y + 4 + (index + 1) * HEIGHT]], { stroke: THEME.grid });
    const value = (field: string) => (field === 'timestamp' ? clock(line[field]) : String(line[field] ?? ''));
    return [rule, ...columns.map(([field], column) => cell(value(field), column, index + 1, field === 'trace_id' ? colour('blue') : THEME.title))];
  });
  return [...head, ...rows];
}

/** The alerts that were raised at the end, by the marks that Grafana draws for them. */
export function alerts({ x, y, w, h }: Box, { span, answers }: Recorded): Shape[] {
  const raised = ['Page', 'Ticket'].flatMap((mark) => {
    const series = answers.find(({ panel, refId }) => panel === mark && refId === 'annotation')?.series ?? [];
    const last = series.filter(({ values }) => (values.at(-1)?.[0] ?? 0) >= span.end - 10);
    return last.map(({ metric }) => ({ mark, label: [metric['alertname'], metric['queue'], metric['instance']].filter(Boolean).join(', ') }));
  });
  return fitting(raised, h).flatMap(({ mark, label }, index) => {
    const at = y + 18 + index * HEIGHT;
    return [text('▎', [x + 8, at], SIZE, colour(mark === 'Page' ? 'red' : 'orange')), text(fitted(label, w - 30, SIZE), [x + 18, at], SIZE, THEME.title)];
  });
}

/** As many as there is room for. */
const fitting = <T>(all: readonly T[], height: number): readonly T[] => all.slice(0, Math.floor((height - 8) / HEIGHT));

/** The time of day of a line. */
const clock = (timestamp: unknown): string => String(timestamp).slice(11, 19);
