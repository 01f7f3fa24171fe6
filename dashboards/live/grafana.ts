// What Grafana does to a query before it sends it.

import { ALL as EVERYTHING } from '../lib/variables.ts';

/** The choice of everything, where a variable offers it. */
export const ALL: unique symbol = Symbol('all');
/** What the reader chose. */
export type Choice = string | readonly string[] | typeof ALL;

/** What a query is filled in with. */
export interface Screen {
  readonly variables: Readonly<Record<string, Choice>>;
  /** Seconds that are shown, seconds between two points, seconds between two scrapes. */
  readonly range: number;
  readonly interval: number;
  readonly scrape: number;
}

/**
 * The query with its variables and macros filled in, by Grafana's documented rules:
 *
 * - `$__rate_interval` is max(`$__interval` + scrape interval, 4 × scrape interval);
 * - `${name:regex}` escapes what means something in a regular expression, and makes `(a|b)` of several values;
 * - a custom "all" value is put in as it is.
 */
export function interpolate(query: string, { variables, range, interval, scrape }: Screen): string {
  const seconds: Readonly<Record<string, number>> = { __rate_interval: Math.max(interval + scrape, 4 * scrape), __range: range, __interval: interval };
  // All in one go: what a value holds is not filled in again.
  return query.replaceAll(/\$(\w+)|\$\{(\w+):regex\}/g, (whole, plain: string | undefined, name: string | undefined) => {
    if (plain !== undefined && seconds[plain] !== undefined) return `${Math.ceil(seconds[plain])}s`;
    const choice = variables[plain ?? name ?? ''];
    if (choice === undefined) throw new Error(`nothing is chosen for ${whole}`);
    return name === undefined ? asText(choice) : asRegex(choice);
  });
}

function asRegex(choice: Choice): string {
  if (choice === ALL) return EVERYTHING;
  if (typeof choice === 'string') return escaped(choice);
  return choice.length === 1 ? escaped(choice[0] ?? '') : `(${choice.map(escaped).join('|')})`;
}

const escaped = (value: string): string => value.replace(/[\\^$*+?.()|[\]{}/]/g, '\\$&');

function asText(choice: Choice): string {
  if (typeof choice !== 'string') throw new Error('only one value can stand in a query as it is');
  return choice;
}

/** The metric and the label that a variable asks for. */
export function labelValues(query: string): { selector: string; label: string } {
  const [, selector = '', label = ''] = query.match(/^label_values\((.+),\s*(\w+)\)$/s) ?? [];
  return { selector, label };
}
