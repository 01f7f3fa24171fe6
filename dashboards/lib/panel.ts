// What all panels have: where their data comes from, what they say about themselves, how they are coloured.
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import type { DynamicConfigValue, FieldColor, Panel, ThresholdsConfig } from '@grafana/grafana-foundation-sdk/dashboard';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import { ACT, GOOD, LOOK } from './colours.ts';
import { readable, type Unit } from './units.ts';

/** The data source that the reader of a dashboard chooses. */
export const PROMETHEUS = { type: 'prometheus', uid: '${datasource}' };
export const CLOUDWATCH = { type: 'cloudwatch', uid: '${datasource}' };

/** One query, and what its lines are called. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

/** From where on a value is worth a look, and from where on somebody must act. */
export interface Limits {
  readonly look?: number;
  readonly act?: number;
  /** Whether small values are the bad ones. */
  readonly worse?: 'high' | 'low';
}

/** What every panel is told. */
export interface About {
  readonly title: string;
  readonly description: string;
  readonly unit: Unit;
  readonly width: number;
  readonly height?: number;
  readonly limits?: Limits;
  /** The heading of docs/alerts.md that says what to do. */
  readonly runbook?: string;
  readonly links?: readonly Link[];
}

export interface Link {
  readonly title: string;
  readonly url: string;
}

/** What every builder of a panel of the SDK can be told. */
export interface Described extends Builder<Panel> {
  title(title: string): this;
  description(description: string): this;
  datasource(datasource: { type: string; uid: string }): this;
  height(height: number): this;
  span(width: number): this;
  unit(unit: string): this;
  links(links: Builder<dashboard.DashboardLink>[]): this;
  dataLinks(links: Builder<dashboard.DashboardLink>[]): this;
  targets(targets: Builder<Dataquery>[]): this;
  thresholds(thresholds: Builder<ThresholdsConfig>): this;
  overrideByName(name: string, properties: DynamicConfigValue[]): this;
}

/** Tells a panel what every panel is told. */
export function describe<B extends Described>(builder: B, about: About, height: number): B {
  builder.title(about.title).description(description(about)).datasource(PROMETHEUS);
  builder.span(about.width).height(about.height ?? height).unit(about.unit).thresholds(thresholds(about.limits));
  if (about.runbook !== undefined) builder.links([link({ title: 'What to do', url: `\${runbook}#${about.runbook.toLowerCase()}` })]);
  if (about.links !== undefined) builder.dataLinks(about.links.map(link));
  return builder;
}

/** The queries of a panel, as ranges of time. */
export const overTime = (queries: readonly Query[]): Builder<Dataquery>[] => queries.map((query, index) => target(query, index).range());
/** The queries of a panel, at the end of what is shown. */
export const now = (queries: readonly Query[]): Builder<Dataquery>[] => queries.map((query, index) => target(query, index).instant());
/** The same, as rows of a table. */
export const asRows = (queries: readonly Query[]): Builder<Dataquery>[] =>
  queries.map((query, index) => target(query, index).instant().format(prometheus.PromQueryFormat.Table));
/** The same over time, as the buckets of a histogram. */
export const asBuckets = (query: Query): Builder<Dataquery>[] => [target(query, 0).range().format(prometheus.PromQueryFormat.Heatmap)];

function target({ expr, legend }: Query, index: number): prometheus.DataqueryBuilder {
  const id = String.fromCharCode('A'.charCodeAt(0) + index);
  return new prometheus.DataqueryBuilder().datasource(PROMETHEUS).expr(expr).legendFormat(legend).refId(id);
}

/** A colour that stays. */
export function fixed(colour: string): Builder<FieldColor> {
  return new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.Fixed).fixedColor(colour);
}

/** The property that gives one series its colour. */
export const coloured = (colour: string): DynamicConfigValue[] => [{ id: 'color', value: { mode: 'fixed', fixedColor: colour } }];

export function link({ title, url }: Link): Builder<dashboard.DashboardLink> {
  return new dashboard.DashboardLinkBuilder(title).type(dashboard.DashboardLinkType.Link).url(url).targetBlank(true);
}

/** The limits are always told, so that nobody wonders what a colour means. */
function description({ description: text, limits, unit }: About): string {
  if (limits === undefined) return text;
  const side = limits.worse === 'low' ? 'below' : 'from';
  const look = limits.look === undefined ? [] : [`orange ${side} ${readable(limits.look, unit)}`];
  const act = limits.act === undefined ? [] : [`red ${side} ${readable(limits.act, unit)}`];
  const sentence = [...look, ...act].join(', ');
  return `${text} ${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`;
}

function thresholds(limits: Limits | undefined): Builder<ThresholdsConfig> {
  const builder = new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute);
  if (limits === undefined) return builder.steps([{ value: null, color: GOOD }]);
  const step = (value: number | undefined, color: string) => (value === undefined ? [] : [{ value, color }]);
  if (limits.worse !== 'low') return builder.steps([{ value: null, color: GOOD }, ...step(limits.look, LOOK), ...step(limits.act, ACT)]);
  // A step's colour holds from its value upwards.
  const worst = limits.act === undefined ? LOOK : ACT;
  const middle = limits.act === undefined ? [] : step(limits.act, LOOK);
  return builder.steps([{ value: null, color: worst }, ...middle, ...step(limits.look, GOOD)]);
}
