// The settings of the committed template: what may change between deployments is a CloudFormation parameter there.
import { CfnParameter, type Stack, Token } from 'aws-cdk-lib';
import { parameterName } from './parameter_name.ts';
import { eachSetting, SETTINGS, type Settings } from './settings.ts';

/** The settings with a parameter for each that can be one; the shape stays as it is given. */
export function withParameters(stack: Stack, shape: Settings): Settings {
  const settings: Record<string, unknown> = { ...shape };
  for (const [name, setting] of eachSetting()) {
    if (setting.parameter === undefined) continue;
    const parameter = new CfnParameter(stack, parameterName(name), setting.parameter);
    settings[name] = typeof setting.fallback === 'number' ? Token.asNumber(parameter.value) : parameter.valueAsString;
  }
  if (shape.HANDLER_IMAGE !== undefined) settings['HANDLER_IMAGE'] = handlerImage(stack);
  return settings as Settings;
}

function handlerImage(stack: Stack): string {
  const description = 'The image of the HTTP handler that runs beside the worker.';
  return Token.asString(new CfnParameter(stack, 'HandlerImage', { ...SETTINGS.IMAGE.parameter, description }).value);
}
