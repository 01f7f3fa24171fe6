// How a panel says that it is to be drawn.
import type { Unit } from '../lib/units.ts';
import type { Panel } from '../test/panels_of.ts';
import { colour, ofPalette } from './theme.ts';

/** The unit of a panel, or of one of its columns. */
export function unitOf(panel: Panel, field?: string): Unit {
  const own = field === undefined ? undefined : property(panel, field, 'unit');
  const unit = typeof own === 'string' ? own : (panel.fieldConfig.defaults.unit ?? 'short');
  return unit as Unit;
}

/** The colour of a series: its own, or one by its place. */
export function colourOf(panel: Panel, series: string, place: number): string {
  const own = property(panel, series, 'color') as { fixedColor?: string } | undefined;
  return own?.fixedColor === undefined ? ofPalette(place) : colour(own.fixedColor);
}

/** The colour that the limits give to a value; one that has no limits is plain. */
export function colourAt(panel: Panel, value: number): string {
  const { steps } = panel.fieldConfig.defaults.thresholds;
  if (steps.length === 1) return colour('blue');
  const step = steps.filter(({ value: from }) => from === null || value >= from).at(-1);
  return colour(step?.color ?? 'blue');
}

/** The limits that are drawn as lines. */
export function limitsOf(panel: Panel): { value: number; colour: string }[] {
  return panel.fieldConfig.defaults.thresholds.steps.flatMap(({ value, color }) => (value === null ? [] : [{ value, colour: colour(color) }]));
}

/** Whether its series stand on each other. */
export function isStacked(panel: Panel): boolean {
  const custom = (panel.fieldConfig.defaults as { custom?: { stacking?: { mode?: string } } }).custom;
  return custom?.stacking?.mode === 'normal';
}

function property(panel: Panel, field: string, id: string): unknown {
  return panel.fieldConfig.overrides.find(({ matcher }) => matcher.options === field)?.properties.find((one) => one.id === id)?.value;
}
