// Each kind of panel, drawn.
import { readable } from '../lib/units.ts';
import { isOfLog, type Panel } from '../test/panels_of.ts';
import { along, type Axes, axes, legend, marksUpTo, roundSteps, times, values } from './axes.ts';
import { heatmap } from './heatmap.ts';
import { alerts, log, tracedLines } from './lines.ts';
import { type Recorded, type Shown, shownBy } from './recorded.ts';
import { colourAt, colourOf, isStacked, limitsOf, unitOf } from './style.ts';
import { area, type Box, fitted, line, rectangle, type Shape, text } from './svg.ts';
import { table } from './table.ts';
import { colour, THEME } from './theme.ts';

/** What is within a panel's frame. */
export function content(panel: Panel, box: Box, recorded: Recorded): Shape[] {
  if (isOfLog(panel)) return panel.type === 'logs' ? log(box, recorded.lines) : tracedLines(panel, box, recorded.lines);
  const shown = shownBy(panel, recorded);
  return [...drawn(panel, box, shown, recorded), ...gaps(panel, box, shown)];
}

/** What is said where a query has answered nothing; a number says so itself, and a table may have an empty column. */
function gaps({ type, targets }: Panel, { x, y }: Box, shown: readonly (readonly Shown[])[]): Shape[] {
  if (!['timeseries', 'heatmap', 'state-timeline'].includes(type)) return [];
  const missing = targets.filter((_, index) => !(shown[index] ?? []).some(({ points }) => points.length > 0));
  return missing.map(({ legendFormat }, index) => text(`no data: ${legendFormat}`, [x + 80, y + 24 + index * 16], 10.5, colour('red')));
}

function drawn(panel: Panel, box: Box, shown: readonly (readonly Shown[])[], recorded: Recorded): Shape[] {
  switch (panel.type) {
    case 'stat':
      return number(panel, box, shown.flat()[0]);
    case 'timeseries':
      return graph(panel, box, shown.flat(), recorded);
    case 'heatmap':
      return heatmap(box, shown.flat(), recorded.span);
    case 'table':
      return table(panel, box, shown);
    case 'alertlist':
      return alerts(box, recorded);
    case 'state-timeline':
      return timeline(panel, box, shown.flat(), recorded);
    default:
      throw new Error(`nobody knows how a panel of type ${panel.type} is drawn`);
  }
}

function number(panel: Panel, { x, y, w, h }: Box, shown: Shown | undefined): Shape[] {
  const last = shown?.points.at(-1)?.value;
  const label = last === undefined ? (panel.fieldConfig.defaults.noValue ?? 'no data') : readable(last, unitOf(panel));
  const fill = last === undefined ? THEME.text : colourAt(panel, last);
  return [text(label, [x + w / 2, y + h / 2 + 8], label.length > 9 ? 20 : 28, fill, 'middle')];
}

function graph(panel: Panel, box: Box, shown: readonly Shown[], { span }: Recorded): Shape[] {
  const series = [...shown].sort((one, other) => one.name.localeCompare(other.name)).map((one, place) => ({ ...one, colour: colourOf(panel, one.name, place) }));
  const layers = isStacked(panel) ? stacked(series) : series.map((one) => ({ ...one, floor: one.points.map(({ time }) => ({ time, value: 0 })) }));
  const most = Math.max(...layers.flatMap(({ points }) => points.map(({ value }) => value)), 0) * 1.08 || 1;
  const frame = axes(box, span, most);
  const lines = layers.flatMap((layer) => layerOf(frame, layer, isStacked(panel) ? 'area' : 'line'));
  const limits = limitsOf(panel).filter(({ value }) => value <= most).map(({ value, colour }) => limit(frame, value, colour));
  const unit = unitOf(panel);
  const marks = marksUpTo(most, 4, roundSteps(most, 4, unit));
  // What happened comes before what did not, for a legend has room for a few names.
  const isNothing = ({ points }: Shown) => points.every(({ value }) => value === 0);
  const told = [...series.filter((one) => !isNothing(one)), ...series.filter(isNothing)];
  return [...values(frame, unit, marks), ...lines, ...limits, ...times(frame, span), ...legend(frame, told)];
}

interface Layer extends Shown {
  readonly colour: string;
  readonly floor: Shown['points'];
}

function layerOf(frame: Axes, { points, floor, colour }: Layer, as: 'line' | 'area'): Shape[] {
  if (points.length === 0) return [];
  const upper = along(frame, points);
  const below = along(frame, floor).reverse();
  if (as === 'area') return [area([...upper, ...below], { fill: colour, 'fill-opacity': 0.7 })];
  const shade = area([...upper, ...[below[0], below.at(-1)].flatMap((end) => (end === undefined ? [] : [end]))], { fill: colour, 'fill-opacity': 0.08 });
  return [shade, line(upper, { stroke: colour, 'stroke-width': 1.3, 'stroke-linejoin': 'round' })];
}

/** Each series on top of those before it. */
function stacked(series: readonly (Shown & { readonly colour: string })[]): Layer[] {
  const reached = new Map<number, number>();
  return series.map((one) => {
    const floor = one.points.map(({ time }) => ({ time, value: reached.get(time) ?? 0 }));
    for (const { time, value } of one.points) reached.set(time, (reached.get(time) ?? 0) + value);
    return { ...one, floor, points: one.points.map(({ time }) => ({ time, value: reached.get(time) ?? 0 })) };
  });
}

function limit({ inside, y }: Axes, value: number, colour: string): Shape {
  return line([[inside.x, y(value)], [inside.x + inside.w, y(value)]], { stroke: colour, 'stroke-dasharray': '6 4' });
}

function timeline(panel: Panel, box: Box, shown: readonly Shown[], { span }: Recorded): Shape[] {
  const frame = axes({ ...box, x: box.x + 40, w: box.w - 40 }, span, 1);
  const { inside } = frame;
  const height = inside.h / shown.length;
  const rows = shown.flatMap(({ name, points }, index) => {
    const y = inside.y + index * height;
    const label = text(fitted(name, 90, 10), [inside.x - 6, y + height / 2 + 3.5], 10, THEME.text, 'end');
    const bars = runs(points).map(({ from, to, value }) => {
      const bar = { x: frame.x(from), y: y + height * 0.1, w: frame.x(to) - frame.x(from), h: height * 0.8 };
      return rectangle(bar, { fill: colourAt(panel, value), 'fill-opacity': 0.8 });
    });
    return [label, ...bars];
  });
  const names = [{ name: 'polling', colour: colourAt(panel, 0) }, { name: 'paused', colour: colourAt(panel, 1) }];
  return [...rows, ...times(frame, span), ...legend(frame, names)];
}

/** Times of the same value, each until the next one. */
function runs(points: Shown['points']): { from: number; to: number; value: number }[] {
  const found: { from: number; to: number; value: number }[] = [];
  for (const { time, value } of points) {
    const last = found.at(-1);
    if (last !== undefined) last.to = time;
    if (last?.value !== value) found.push({ from: time, to: time, value });
  }
  return found;
}
