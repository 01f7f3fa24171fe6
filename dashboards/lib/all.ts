// Every dashboard, by the file that it is in.
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { cloudwatch } from './cloudwatch.ts';
import { make, type Plan } from './dashboard.ts';
import { fleet } from './fleet.ts';
import { handlers } from './handlers.ts';
import { queue } from './queue.ts';

const PLANS: Readonly<Record<string, Plan>> = { 'fleet.json': fleet, 'queue.json': queue, 'handlers.json': handlers, 'cloudwatch.json': cloudwatch };

/** All of them, their links leading to this copy of docs/operations.md. */
export function dashboards(runbook: string): Record<string, Dashboard> {
  return Object.fromEntries(Object.entries(PLANS).map(([file, plan]) => [file, make(plan, runbook)]));
}

/** A dashboard as it stands in its file. */
export const written = (dashboard: Dashboard): string => `${JSON.stringify(dashboard, null, 2)}\n`;
