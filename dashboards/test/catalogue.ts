// Every metric there is, as docs/metrics.md tells.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HERE } from './panels_of.ts';

export interface Metric {
  readonly kind: string;
  readonly labels: readonly string[];
}

const ROW = /^\| `(\w+)` \| (counter|gauge|histogram) \| ([^|]*) \|/gm;
const page = readFileSync(join(HERE, '..', 'docs', 'metrics.md'), 'utf8');

/** The catalogue, by name. */
export const CATALOGUE: ReadonlyMap<string, Metric> = new Map(
  [...page.matchAll(ROW)].map(([, name = '', kind = '', labels = '']) => [name, { kind, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label ?? '') }]),
);

/** A metric by the name of one of its series: a histogram has three. */
export function find(series: string): Metric | undefined {
  const base = series.replace(/_(bucket|sum|count)$/, '');
  const histogram = CATALOGUE.get(base);
  return base !== series && histogram?.kind === 'histogram' ? { kind: 'counter', labels: [...histogram.labels, 'le'] } : CATALOGUE.get(series);
}
