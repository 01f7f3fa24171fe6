// Reads the settings from texts, such as the environment's, and tells all that is wrong at once.
import { type Settings, eachSetting } from './settings.ts';

/** Everything that is wrong with the settings. */
export class SettingsError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`the settings are not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  }
}

/** MiB of memory that Fargate takes for so many CPU units, and in which steps. */
const MEMORY_FOR_CPU: Record<number, { min: number; max: number; step: number }> = {
  256: { min: 512, max: 2048, step: 512 },
  512: { min: 1024, max: 4096, step: 1024 },
  1024: { min: 2048, max: 8192, step: 1024 },
  2048: { min: 4096, max: 16384, step: 1024 },
  4096: { min: 8192, max: 30720, step: 1024 },
  8192: { min: 16384, max: 61440, step: 4096 },
  16384: { min: 32768, max: 122880, step: 8192 },
};

/** The settings that these texts mean; throws a `SettingsError`. */
export function readSettings(texts: Readonly<Record<string, string | undefined>>): Settings {
  const problems: string[] = [];
  const read: Record<string, unknown> = {};
  for (const [name, setting] of eachSetting()) {
    const given = texts[name];
    if (given === undefined || given === '') {
      if (setting.fallback === undefined && setting.presence !== 'optional') problems.push(`${name} is missing: it must be ${setting.range}`);
      read[name] = setting.fallback;
      continue;
    }
    try {
      read[name] = setting.parse(given);
    } catch (error) {
      problems.push(`${name} is ${JSON.stringify(given)}: it ${(error as Error).message}`);
    }
  }
  const settings = read as Settings;
  if (problems.length === 0) problems.push(...misfits(settings));
  if (problems.length > 0) throw new SettingsError(problems);
  return settings;
}

/** What is wrong between settings that are right by themselves. */
function misfits(settings: Settings): string[] {
  const problems: string[] = [];
  if (settings.MIN_TASKS > settings.MAX_TASKS) problems.push('MIN_TASKS is larger than MAX_TASKS');
  const memory = MEMORY_FOR_CPU[settings.CPU];
  if (memory && !isPair(settings, memory)) {
    problems.push(`MEMORY is ${settings.MEMORY}: with CPU ${settings.CPU} Fargate takes ${memory.min} to ${memory.max} in steps of ${memory.step}`);
  }
  const inYourVpc = settings.NETWORK === 'existing';
  for (const name of ['VPC_ID', 'SUBNET_IDS'] as const) {
    if (inYourVpc !== (settings[name] !== undefined)) problems.push(`${name} goes with NETWORK=existing, and only with it`);
  }
  if (!inYourVpc && settings.SECURITY_GROUP_IDS !== undefined) problems.push('SECURITY_GROUP_IDS goes with NETWORK=existing');
  if ((settings.HANDLER === undefined) === (settings.HANDLER_IMAGE === undefined)) {
    problems.push('give either HANDLER_IMAGE, the image of an HTTP handler, or HANDLER, the settings of another one');
  }
  for (const name of ['HANDLER', 'MESSAGE_SCHEMA'] as const) {
    if (settings[name] !== undefined && !isJson(settings[name])) problems.push(`${name} is not JSON`);
  }
  if (settings.HANDLER !== undefined && isJson(settings.HANDLER)) problems.push(...unsayable(settings.HANDLER));
  return problems;
}

function isPair(settings: Settings, { min, max, step }: { min: number; max: number; step: number }): boolean {
  const isOddOne = settings.CPU === 256 && settings.MEMORY === 1536;
  return settings.MEMORY >= min && settings.MEMORY <= max && settings.MEMORY % step === 0 && !isOddOne;
}

/** What of a handler's settings no environment variable can say. */
function unsayable(handler: string): string[] {
  const isPlain = (value: unknown) => ['string', 'number', 'boolean'].includes(typeof value);
  const isList = (value: unknown) => Array.isArray(value) && value.every((item) => isPlain(item) && !String(item).includes(','));
  return Object.entries(JSON.parse(handler) as Record<string, unknown>)
    .filter(([, value]) => !isPlain(value) && !isList(value))
    .map(([key]) => `HANDLER's ${key} is neither a text, a number nor a list of such without commas: put it into a longshore.toml of the image`);
}

function isJson(value: string): boolean {
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}
