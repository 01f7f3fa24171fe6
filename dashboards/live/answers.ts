// Asks every query of a dashboard, as Grafana would.
import { type Dashboard, isOfPrometheus, type Panel } from '../test/panels_of.ts';
import { type Choice, interpolate, type Screen } from './grafana.ts';
import type { Prometheus, Series } from './prometheus.ts';

/** The time that is shown, in seconds since 1970. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** What one query answered. */
export interface Answer {
  readonly panel: string;
  readonly refId: string;
  readonly series: readonly Series[];
}

/** How finely it is asked: the scrape interval that Grafana believes in, and how many points a line has. */
export interface Resolution {
  readonly scrape: number;
  readonly points: number;
}

/** What the reader has chosen to see. */
export interface Shown {
  readonly span: Span;
  readonly variables: Readonly<Record<string, Choice>>;
  readonly resolution: Resolution;
}

/** The answers to all queries of a dashboard, its annotations' among them. */
export async function ask(prometheus: Prometheus, dashboard: Dashboard, shown: Shown): Promise<Answer[]> {
  const { span, variables, resolution } = shown;
  const range = span.end - span.start;
  const { scrape, points } = resolution;
  const screen: Screen = { variables, range, interval: Math.max(1, Math.ceil(range / points)), scrape };
  const ofPanels = dashboard.panels.flatMap((panel) => (panel.targets ?? []).filter(isOfPrometheus).map((target) => ({ panel: name(panel), ...target })));
  const ofAnnotations = dashboard.annotations.list.map(({ name, expr }) => ({ panel: name, refId: 'annotation', expr, instant: false }));
  const answers: Answer[] = [];
  for (const { panel, refId, expr, instant } of [...ofPanels, ...ofAnnotations]) {
    const query = interpolate(expr, screen);
    const asked = instant === true ? prometheus.instant(query, span.end) : prometheus.range(query, span.start, span.end, screen.interval);
    answers.push({ panel, refId, series: await asked });
  }
  return answers;
}

/** The panels that show nothing: no series, or none with a number in it. */
export function empty(dashboard: Dashboard, answers: readonly Answer[]): string[] {
  const isEmpty = ({ series }: Answer) => !series.some(({ values }) => values.some(([, value]) => Number.isFinite(Number(value))));
  return answers.filter(isEmpty).map(({ panel, refId }) => `${dashboard.file}: ${panel}, query ${refId}`);
}

/** A panel by its number and its title, since two dashboards' rows may have one title twice. */
export const name = ({ id, title }: Panel): string => `${id} ${title}`;
