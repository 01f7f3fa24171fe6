// A dashboard around its rows: variables, annotations, links to the others.
//
// The classic model, which every Grafana since 9 reads from a file; the SDK's newer one needs Grafana 12.
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { Dashboard, VariableModel } from '@grafana/grafana-foundation-sdk/dashboard';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import { ACT, LOOK } from './colours.ts';
import { type Row, place } from './layout.ts';
import { PROMETHEUS } from './panel.ts';
import { ofAlerts, ofWorkers } from './promql.ts';
import { text } from './variables.ts';

/** Where docs/alerts.md is read, unless `RUNBOOK` says so; a name that leads nowhere, since every team keeps its own. */
export const RUNBOOK = 'https://example.com/longshore/docs/alerts.md';
const TAG = 'longshore';

/** What makes a dashboard. */
export interface Plan {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly Builder<VariableModel>[];
  readonly annotations: readonly Builder<dashboard.AnnotationQuery>[];
  readonly rows: readonly Row[];
}

/** What a team sets for all dashboards at once. */
export interface Settings {
  /** Where its copy of docs/alerts.md is read. */
  readonly runbook: string;
  /** The stack of `deploy/`, `{project}-{stage}`, that the CloudWatch dashboard opens on; the account's first, unless it is set. */
  readonly stack?: string;
}

/** The dashboard of a plan. */
export function make(plan: Plan, { runbook, stack }: Settings): Dashboard {
  const builder = new dashboard.DashboardBuilder(plan.title).uid(plan.uid).description(plan.description).tags([TAG]);
  builder.time({ from: 'now-3h', to: 'now' }).refresh('30s').timezone('browser').tooltip(dashboard.DashboardCursorSync.Crosshair).editable();
  builder.variables([...plan.variables, text('runbook', 'Runbook', runbook)]);
  builder.annotations([...plan.annotations]).links([others(), toRunbook()]);
  const { templating, ...made } = builder.build();
  const list = (templating?.list ?? []).map((variable) => (variable.name === 'stack' && stack ? { ...variable, current: { text: stack, value: stack } } : variable));
  return withoutPlacements({ ...made, templating: { list }, panels: place(plan.rows) });
}

/** The SDK puts links and annotation toggles into a menu, unless it is left to Grafana: then they stand above the panels. */
function withoutPlacements(dashboard: Dashboard): Dashboard {
  return JSON.parse(JSON.stringify(dashboard, (key, value: unknown) => (key === 'placement' && value === 'inControlsMenu' ? undefined : value)));
}

/** Alerts that are raised, when a version was first seen, and when a worker started. */
export const happenings: readonly Builder<dashboard.AnnotationQuery>[] = [
  annotation('Page', ACT, alerts('page')).step('30s').titleFormat('{{alertname}}').textFormat('{{queue}} {{instance}}'),
  annotation('Ticket', LOOK, alerts('ticket')).step('30s').titleFormat('{{alertname}}').textFormat('{{queue}} {{instance}}'),
  annotation('New version', 'purple', `${versions('')} unless on (version) ${versions(' offset 5m')}`)
    .step('30s')
    .titleFormat('Longshore {{version}}')
    .textFormat('first seen'),
  annotation('Worker started', 'light-blue', `${ofWorkers('process_start_time_seconds')} * 1000`)
    .useValueForTime(true)
    .titleFormat('Worker started')
    .textFormat('{{instance}}'),
];

/** Alerts of a severity, as long as they are raised: Grafana joins points that follow each other. */
function alerts(severity: string): string {
  return `max by (alertname, queue, instance) (${ofAlerts(`severity="${severity}"`)})`;
}

function versions(offset: string): string {
  return `count by (version) (${ofWorkers('longshore_build_info')}${offset})`;
}

function annotation(name: string, colour: string, expr: string): dashboard.AnnotationQueryBuilder {
  const target = new prometheus.DataqueryBuilder().datasource(PROMETHEUS).expr(expr).refId('A').range();
  return new dashboard.AnnotationQueryBuilder().name(name).datasource(PROMETHEUS).enable(true).iconColor(colour).expr(expr).target(target);
}

function others(): Builder<dashboard.DashboardLink> {
  const link = new dashboard.DashboardLinkBuilder('Longshore').type(dashboard.DashboardLinkType.Dashboards);
  return link.tags([TAG]).asDropdown(false).includeVars(true).keepTime(true);
}

function toRunbook(): Builder<dashboard.DashboardLink> {
  return new dashboard.DashboardLinkBuilder('Runbook').type(dashboard.DashboardLinkType.Link).icon('doc').url('${runbook}').targetBlank(true);
}
