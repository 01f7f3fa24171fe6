// The table of all settings, as docs/deploy-settings.md has it.
import { eachSetting } from './settings.ts';

/** Markdown, a row for each setting. */
export function settingsTable(): string {
  const rows = eachSetting().map(([name, { range, fallback, presence, description }]) => {
    const unset = presence === 'optional' ? '–' : 'required';
    return `| \`${name}\` | ${range} | ${fallback === undefined ? unset : `\`${String(fallback)}\``} | ${description} |`;
  });
  return ['| setting | takes | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}
