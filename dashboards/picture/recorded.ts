// A recorded run: what every query of a dashboard answered.
import type { Answer, Span } from '../live/answers.ts';
import type { Line } from '../live/world.ts';
import { name } from '../live/answers.ts';
import type { Panel, Target } from '../test/panels_of.ts';

/** All answers of a dashboard, and the time that they are about. */
export interface Recorded {
  readonly span: Span;
  readonly answers: readonly Answer[];
  /** Lines of the workers' logs, the newest first. */
  readonly lines: readonly Line[];
}

/** A series as a panel shows it. */
export interface Shown {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly { readonly time: number; readonly value: number }[];
}

/** What a panel shows, query by query. */
export function shownBy(panel: Panel, { answers }: Recorded): Shown[][] {
  return panel.targets.map((target) => {
    const answer = answers.find(({ panel: of, refId }) => of === name(panel) && refId === target.refId);
    return (answer?.series ?? []).map(({ metric, values }) => ({
      name: named(target, metric),
      labels: metric,
      points: values.map(([time, value]) => ({ time, value: Number(value) })).filter(({ value }) => Number.isFinite(value)),
    }));
  });
}

function named({ legendFormat = '' }: Target, labels: Readonly<Record<string, string>>): string {
  return legendFormat.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? '');
}
