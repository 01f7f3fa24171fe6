// Writes the dashboards anew; with settings of one's own they and the alert rules go to another folder.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { alerts, asJson, dashboards, written } from '../lib/all.ts';
import { RUNBOOK } from '../lib/dashboard.ts';

const { RUNBOOK: runbook, STACK: stack, OUT: out } = process.env;
const folder = out || '.';
mkdirSync(folder, { recursive: true });
for (const [file, dashboard] of Object.entries(dashboards({ runbook: runbook || RUNBOOK, stack }))) writeFileSync(join(folder, file), written(dashboard));
const rules = readFileSync('alerts.yaml', 'utf8');
if (out) writeFileSync(join(folder, 'alerts.yaml'), alerts(rules, runbook || RUNBOOK));
else writeFileSync(join('mixin', 'alerts.json'), asJson(rules));
