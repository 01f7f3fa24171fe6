// Writes the dashboards anew.
import { writeFileSync } from 'node:fs';
import { dashboards, written } from '../lib/all.ts';
import { RUNBOOK } from '../lib/dashboard.ts';

for (const [file, dashboard] of Object.entries(dashboards(process.env['RUNBOOK'] || RUNBOOK))) writeFileSync(file, written(dashboard));
