// What the tests ask about the written dashboards.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of the package, seen from what is built. */
export const HERE = join(import.meta.dirname, '..', '..');

export interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat?: string;
  readonly instant?: boolean;
  readonly format?: string;
  readonly datasource: { readonly type: string; readonly uid: string };
  readonly id?: string;
  readonly namespace?: string;
  readonly metricName?: string;
  readonly dimensions?: Readonly<Record<string, string>>;
  readonly statistic?: string;
  readonly expression?: string;
  /** Of CloudWatch, whether metrics or logs are asked for. */
  readonly queryMode?: string;
}

interface Override {
  readonly matcher: { readonly options: string };
  readonly properties: readonly { readonly id: string; readonly value: unknown }[];
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource: { readonly uid: string };
  readonly targets: readonly Target[];
  /** Of a row that is collapsed: its panels. */
  readonly collapsed?: boolean;
  readonly panels?: readonly Panel[];
  readonly options?: Readonly<Record<string, unknown>>;
  readonly links?: readonly { readonly url: string }[];
  readonly transformations?: readonly { readonly options: { readonly byField?: string; readonly renameByName?: Readonly<Record<string, string>> } }[];
  readonly fieldConfig: {
    readonly defaults: {
      readonly unit?: string;
      readonly noValue?: string;
      readonly thresholds: { readonly steps: readonly { readonly value: number | null; readonly color: string }[] };
    };
    readonly overrides: readonly Override[];
  };
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly query: string | { readonly query: string };
  readonly multi: boolean;
  readonly includeAll: boolean;
  readonly allValue?: string;
  readonly regex?: string;
}

export interface Dashboard {
  readonly file: string;
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr: string }[] };
}

/** What a panel has that shows no numbers. */
const NO_FIELDS: Panel['fieldConfig'] = { defaults: { thresholds: { steps: [] } }, overrides: [] };

/** Every dashboard as it is written. */
export const ALL: readonly Dashboard[] = readdirSync(HERE)
  .filter((file) => file.endsWith('.json') && !/^(package|tsconfig)/.test(file))
  .map((file) => opened({ file, ...JSON.parse(readFileSync(join(HERE, file), 'utf8')) }));

/** A dashboard whose every row is open, as Grafana shows it then: what is below such a row moves down. */
function opened(dashboard: Dashboard): Dashboard {
  let down = 0;
  const panels = dashboard.panels.flatMap((panel) => {
    const moved = (one: Panel): Panel => ({ ...one, targets: one.targets ?? [], fieldConfig: one.fieldConfig ?? NO_FIELDS, gridPos: { ...one.gridPos, y: one.gridPos.y + down } });
    const own = [moved(panel), ...(panel.collapsed === true ? (panel.panels ?? []) : []).map(moved)];
    if (panel.collapsed === true) down += Math.max(...own.map(({ gridPos: { y, h } }) => y + h)) - (panel.gridPos.y + down) - panel.gridPos.h;
    return own;
  });
  return { ...dashboard, panels };
}

/** Those that ask Prometheus. */
export const OF_PROMETHEUS = ALL.filter(({ file }) => file !== 'cloudwatch.json');

/** Its panels, the rows left out. */
export const panelsOf = (dashboard: Dashboard): readonly Panel[] => dashboard.panels.filter(({ type }) => type !== 'row');

/** Every panel of these dashboards, and what it is called in a complaint. */
export function named(dashboards: readonly Dashboard[]): { readonly name: string; readonly panel: Panel }[] {
  return dashboards.flatMap((dashboard) => panelsOf(dashboard).map((panel) => ({ name: `${dashboard.file}: ${panel.title}`, panel })));
}

/** Every query to Prometheus, those of annotations among them. */
export function expressions(): { readonly name: string; readonly expr: string }[] {
  const ofPanels = named(OF_PROMETHEUS).flatMap(({ name, panel }) => panel.targets.filter(isOfPrometheus).map(({ expr }) => ({ name, expr })));
  const ofAnnotations = OF_PROMETHEUS.flatMap(({ file, annotations }) => annotations.list.map(({ name, expr }) => ({ name: `${file}: ${name}`, expr })));
  return [...ofPanels, ...ofAnnotations];
}

/** Whether Prometheus answers it, rather than what has the logs. */
export const isOfPrometheus = ({ datasource: { type } }: Target): boolean => type === 'prometheus';

/** Whether it shows lines of the log. */
export const isOfLog = ({ targets }: Panel): boolean => targets.some(({ datasource: { type }, queryMode }) => type === 'loki' || queryMode === 'Logs');

/** The metrics that an expression names. */
export const metricsIn = (expr: string): string[] => [...expr.matchAll(/([a-zA-Z_:][\w:]*)\{/g)].map(([, name]) => name ?? '');
