// Panels about alerts: those that are raised now, and since when.
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import { SEVERITIES } from './colours.ts';
import { PROMETHEUS } from './panel.ts';
import { lines } from './panels.ts';
import { ofAlerts, sumBy } from './promql.ts';

/** The alerts that are pending and raised, as Grafana lists those of Prometheus; the SDK knows no such panel. */
export function alertList(width: number): Builder<Panel> {
  const options = {
    viewMode: 'list', groupMode: 'default', groupBy: [], maxItems: 20, sortOrder: 1, dashboardAlerts: false,
    alertName: 'Longshore', alertInstanceLabelFilter: '',
    stateFilter: { firing: true, pending: true, error: true, noData: false, normal: false, recovering: true },
  };
  const builder = new dashboard.PanelBuilder().type('alertlist').title('Alerts').datasource(PROMETHEUS).span(width).height(8);
  return builder.description('Alerts of Longshore that are pending or raised, of every data source whose rules Grafana shows.').options(options);
}

/** How many alerts are raised, over time. */
export function alertsOverTime(width: number): Builder<Panel> {
  return lines({
    title: 'Alerts raised', unit: 'locale', width, stacked: 'stacked', colours: SEVERITIES,
    description: 'Alerts that dashboards/alerts.yaml raises: a page needs somebody now, a ticket this week. Nothing where its rules are not loaded.',
    queries: [{ expr: sumBy('severity', ofAlerts()), legend: '{{severity}}' }],
  });
}
