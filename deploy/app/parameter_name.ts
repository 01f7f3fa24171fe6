// How CloudFormation spells the name of a setting.
import type { SettingName } from './settings.ts';

/** `QUEUE_RETENTION` as a parameter: `QueueRetention`. */
export function parameterName(name: SettingName): string {
  return name
    .split('_')
    .map((part) => part.charAt(0) + part.slice(1).toLowerCase())
    .join('');
}
