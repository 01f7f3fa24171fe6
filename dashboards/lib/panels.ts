// The kinds of panels: a number, lines over time, a heat map, a table, states over time.
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import * as common from '@grafana/grafana-foundation-sdk/common';
import type { Panel, ValueMapping } from '@grafana/grafana-foundation-sdk/dashboard';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import * as heatmap from '@grafana/grafana-foundation-sdk/heatmap';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as statetimeline from '@grafana/grafana-foundation-sdk/statetimeline';
import * as table from '@grafana/grafana-foundation-sdk/table';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';
import { ACT, GOOD, PLAIN } from './colours.ts';
import { type About, asBuckets, asRows, coloured, describe, fixed, now, overTime, type Query } from './panel.ts';
import type { Unit } from './units.ts';

const WHOLE = [{ id: 'decimals', value: 0 }];
const HEIGHT = { stat: 4, graph: 8, table: 8, timeline: 6 };

/** One number, as of now. */
export function number(about: About & { readonly query: string; readonly none?: string }): Builder<Panel> {
  return digits(about).targets(now([{ expr: about.query, legend: about.title }]));
}

/** One number with its course behind it; 0 where the query answers nothing, for the last value of a course does not show that it ended. */
export function course(about: About & { readonly query: string }): Builder<Panel> {
  return digits(about).graphMode(common.BigValueGraphMode.Area).targets(overTime([{ expr: `${about.query} or vector(0)`, legend: about.title }]));
}

/** The frame of one number, with no query yet. */
export function digits(about: About & { readonly none?: string }): stat.PanelBuilder {
  const builder = describe(new stat.PanelBuilder(), about, HEIGHT.stat);
  builder.reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false));
  builder.graphMode(common.BigValueGraphMode.None).textMode(common.BigValueTextMode.Value).colorMode(common.BigValueColorMode.Value);
  if (about.none !== undefined) builder.noValue(about.none);
  if (about.unit === 'locale') builder.decimals(0);
  return about.limits === undefined ? builder.colorScheme(fixed(PLAIN)) : builder.colorScheme(byLimits());
}

export interface Lines extends About {
  readonly queries: readonly Query[];
  /** The colour of each series by its name; where it is left out, one series is plain and several have one each, by name. */
  readonly colours?: Readonly<Record<string, string>>;
  readonly stacked?: 'stacked';
  /** What the legend says of each series, by Grafana's names. */
  readonly calcs?: readonly string[];
}

/** Lines over time; a dashed one at each limit. */
export function lines(about: Lines): Builder<Panel> {
  const builder = frame(about).targets(overTime(about.queries));
  for (const [name, colour] of Object.entries(about.colours ?? {})) builder.overrideByName(name, coloured(colour));
  return builder;
}

/** What happened between two points, as bars whose sum stands in the legend. */
export function bars(about: Lines): Builder<Panel> {
  const builder = frame({ ...about, calcs: ['sum'] }).drawStyle(common.GraphDrawStyle.Bars).fillOpacity(70).interval('1m').targets(overTime(about.queries));
  for (const [name, colour] of Object.entries(about.colours ?? {})) builder.overrideByName(name, coloured(colour));
  return builder;
}

/** The frame of lines over time, with no queries yet. */
export function frame(about: Omit<Lines, 'queries'>): timeseries.PanelBuilder {
  const builder = describe(new timeseries.PanelBuilder(), about, HEIGHT.graph);
  // A line on top of a stack would have the colour of what is last and perhaps nothing.
  builder.lineWidth(about.stacked === undefined ? 1 : 0).fillOpacity(about.stacked === undefined ? 8 : 70).showPoints(common.VisibilityMode.Never).min(0);
  builder.tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending));
  const legend = new common.VizLegendOptionsBuilder().displayMode(common.LegendDisplayMode.List).placement(common.LegendPlacement.Bottom).showLegend(true);
  builder.legend(legend.calcs([...(about.calcs ?? ['lastNotNull', 'max'])]));
  if (about.stacked !== undefined) builder.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group('A'));
  if (about.limits !== undefined) builder.thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed));
  return builder.colorScheme(new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.PaletteClassicByName));
}

/** How a histogram's observations are spread, over time. */
function spread(about: About & { readonly query: string }): Builder<Panel> {
  const builder = describe(new heatmap.PanelBuilder(), about, HEIGHT.graph);
  const color = new heatmap.HeatmapColorOptionsBuilder().mode(heatmap.HeatmapColorMode.Scheme).scheme('Blues').steps(32);
  builder.targets(asBuckets({ expr: about.query, legend: '{{le}}' })).calculate(false).color(color).cellGap(1);
  builder.yAxis(new heatmap.YAxisConfigBuilder().unit(about.unit).axisPlacement(common.AxisPlacement.Left));
  return builder.filterValues(new heatmap.FilterValueRangeBuilder().le(1e-9)).cellValues(new heatmap.CellValuesBuilder().unit('short'));
}

type OfMessages = Pick<About, 'title' | 'width'> & { readonly query: string };

/** How long messages waited; the query is one by the buckets of `longshore_queue_wait_seconds`. */
export function waits(about: OfMessages): Builder<Panel> {
  return spread({ ...about, unit: 's', description: 'How long messages waited until their handler started. The stronger a cell, the more messages.' });
}

/** How long messages were handled; the query is one by the buckets of `messaging_process_duration_seconds`. */
export function handlingTimes(about: OfMessages): Builder<Panel> {
  return spread({ ...about, unit: 's', description: 'How long messages were in their call of the handler. The stronger a cell, the more messages.' });
}

/** A column of a table: a query that has one value for each row. */
export interface Column {
  readonly title: string;
  readonly query: string;
  readonly unit: Unit;
}

export interface Rows extends Omit<About, 'unit'> {
  /** The label that tells the rows apart, and what its column is called. */
  readonly by: string;
  readonly rowTitle: string;
  /** Where a click on a row's name leads. */
  readonly leadsTo?: string;
  readonly columns: readonly Column[];
}

/** A table with a row for each value of a label. */
export function rows(about: Rows): Builder<Panel> {
  const builder = describe(new table.PanelBuilder(), { ...about, unit: 'short' }, HEIGHT.table);
  builder.targets(asRows(about.columns.map(({ query, title }) => ({ expr: query, legend: title })))).colorScheme(fixed('text'));
  const named = about.columns.map(({ title }, index) => [`Value #${String.fromCharCode('A'.charCodeAt(0) + index)}`, title]);
  builder.withTransformation({ id: 'joinByField', options: { byField: about.by, mode: 'outer' } });
  const excluded = Object.fromEntries(['Time', ...named.map((_, index) => `Time ${index + 1}`)].map((name) => [name, true]));
  builder.withTransformation({ id: 'organize', options: { excludeByName: excluded, renameByName: { [about.by]: about.rowTitle, ...Object.fromEntries(named) } } });
  for (const { title, unit } of about.columns) builder.overrideByName(title, [{ id: 'unit', value: unit }, ...(unit === 'locale' ? WHOLE : [])]);
  const links = about.leadsTo === undefined ? [] : [{ id: 'links', value: [{ title: 'Open', url: about.leadsTo }] }];
  return builder.overrideByName(about.rowTitle, links);
}

/** Good and bad times of several things: 0 is good. */
export function states(about: About & { readonly queries: readonly Query[]; readonly good: string; readonly bad: string }): Builder<Panel> {
  const builder = describe(new statetimeline.PanelBuilder(), about, HEIGHT.timeline);
  builder.targets(overTime(about.queries)).mappings([mapping(about.good, about.bad)]).showValue(common.VisibilityMode.Never).rowHeight(0.8);
  builder.legend(new common.VizLegendOptionsBuilder().displayMode(common.LegendDisplayMode.List).placement(common.LegendPlacement.Bottom).showLegend(true));
  return builder.colorScheme(byLimits());
}

function byLimits() {
  return new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.Thresholds);
}

function mapping(good: string, bad: string): ValueMapping {
  const options = { '0': { text: good, color: GOOD, index: 0 }, '1': { text: bad, color: ACT, index: 1 } };
  return { type: dashboard.MappingType.ValueToText, options };
}
