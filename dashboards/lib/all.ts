// Every dashboard, by the file that it is in.
import { parse } from 'yaml';
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { cloudwatch } from './cloudwatch.ts';
import { make, type Plan, type Settings } from './dashboard.ts';
import { fleet } from './fleet.ts';
import { handlers } from './handlers.ts';
import { queue } from './queue.ts';

const PLANS: Readonly<Record<string, Plan>> = { 'fleet.json': fleet, 'queue.json': queue, 'handlers.json': handlers, 'cloudwatch.json': cloudwatch };

/** All of them with these settings. */
export function dashboards(settings: Settings): Record<string, Dashboard> {
  return Object.fromEntries(Object.entries(PLANS).map(([file, plan]) => [file, make(plan, settings)]));
}

/** The alert rules, their links leading to this copy of docs/alerts.md. */
export const alerts = (rules: string, runbook: string): string => rules.replaceAll(/(runbook_url: )[^#\n]*#/g, `$1${runbook.replaceAll('$', '$$$$')}#`);

/** A dashboard as it stands in its file. */
export const written = (dashboard: Dashboard): string => `${JSON.stringify(dashboard, null, 2)}\n`;
/** The alert rules as the mixin has them. */
export const asJson = (rules: string): string => `${JSON.stringify(parse(rules), null, 2)}\n`;
