// Reads the settings from texts, such as the environment's, and tells all that is wrong at once.
import { existsSync, readFileSync } from 'node:fs';
import { apiProblems } from './api.ts';
import { memoryFor, memorySteps } from './fargate.ts';
import { detailProblems, detailsOf } from './details.ts';
import { type Settings, eachSetting } from './settings.ts';

/** Everything that is wrong with the settings. */
export class SettingsError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`the settings are not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  }
}

/** The settings that these texts mean; throws a `SettingsError`. */
export function readSettings(texts: Readonly<Record<string, string | undefined>>): Settings {
  const problems: string[] = [];
  const read: Record<string, unknown> = {};
  for (const [name, setting] of eachSetting()) {
    const given = name === 'DETAILS' ? contents(texts[name]) : texts[name];
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

/** The text of the file at this path, or the text itself where there is none. */
function contents(given: string | undefined): string | undefined {
  return given === undefined || given.startsWith('{') || !existsSync(given) ? given : readFileSync(given, 'utf8').trim();
}

/** What is wrong between settings that are right by themselves. */
function misfits(settings: Settings): string[] {
  const problems: string[] = [];
  if (settings.MIN_TASKS > settings.MAX_TASKS) problems.push('MIN_TASKS is larger than MAX_TASKS');
  const memory = memoryFor(settings.CPU);
  if (!memory.includes(settings.MEMORY)) problems.push(`MEMORY is ${settings.MEMORY}: with CPU ${settings.CPU} Fargate takes ${memorySteps(settings.CPU)}`);
  const inYourVpc = settings.NETWORK === 'existing';
  for (const name of ['VPC_ID', 'SUBNET_IDS'] as const) {
    if (inYourVpc !== (settings[name] !== undefined)) problems.push(`${name} goes with NETWORK=existing, and only with it`);
  }
  if (!inYourVpc && settings.SECURITY_GROUP_IDS !== undefined) problems.push('SECURITY_GROUP_IDS goes with NETWORK=existing');
  if ((settings.HANDLER === undefined) === (settings.HANDLER_IMAGE === undefined)) {
    problems.push('give either HANDLER_IMAGE, the image of an HTTP handler, or HANDLER, the settings of another one');
  }
  for (const name of ['HANDLER', 'MESSAGE_SCHEMA', 'DETAILS'] as const) {
    if (settings[name] !== undefined && !isJson(settings[name])) problems.push(`${name} is not JSON`);
  }
  if (settings.HANDLER !== undefined && isJson(settings.HANDLER)) problems.push(...unsayable(settings.HANDLER));
  if (settings.DETAILS !== undefined && isJson(settings.DETAILS)) problems.push(...detailProblems(JSON.parse(settings.DETAILS)), ...detailMisfits(settings));
  if (problems.length === 0) problems.push(...apiProblems(settings));
  return problems;
}

/** What of the details goes with other settings. */
function detailMisfits(settings: Settings): string[] {
  const { handler, network: { publicIp, ...endpoints } = {}, existing = {}, queues = [], subscriptions } = detailsOf(settings);
  return [
    ...(handler !== undefined && settings.HANDLER_IMAGE === undefined ? ['DETAILS: handler goes with HANDLER_IMAGE'] : []),
    ...(Object.keys(endpoints).length > 0 && settings.NETWORK !== 'private' ? ['DETAILS: network.endpoints and network.policies go with NETWORK=private: another network has endpoints of its own'] : []),
    ...(publicIp !== undefined && settings.NETWORK !== 'existing' ? ['DETAILS: network.publicIp goes with NETWORK=existing'] : []),
    ...(existing.dlq !== undefined && existing.queue === undefined ? ['DETAILS: existing.dlq goes with existing.queue'] : []),
    ...(existing.queue !== undefined && subscriptions !== undefined ? ['DETAILS: subscriptions go with a queue that is made here, not with existing.queue: subscribe that one where it is made'] : []),
    ...(existing.cluster !== undefined && settings.ECS_ROLE === 'make' ? ['ECS_ROLE=make goes with a cluster that is made here: an account with existing.cluster of DETAILS has the role'] : []),
    ...(existing.alarmTopic !== undefined && settings.ALARM_EMAIL !== undefined ? ['ALARM_EMAIL goes with a topic that is made here, not with existing.alarmTopic of DETAILS'] : []),
    ...(queues.length > 3 ? [`DETAILS: queues has ${queues.length}: a service takes four queues in all`] : []),
    ...(queues.some(({ name }) => name === 'jobs') ? ['DETAILS: queues has the name "jobs", which the first queue has'] : []),
    ...queues.flatMap(({ handler: of }) => (of === undefined ? [] : unsayable(JSON.stringify(of)))),
    ...(settings.HANDLER_IMAGE === undefined && queues.some(({ handler: of }) => of === undefined) ? ['DETAILS: without HANDLER_IMAGE each of queues needs a handler'] : []),
  ];
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
