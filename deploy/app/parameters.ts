// The settings of the committed templates: what may change between deployments is a CloudFormation parameter there.
import { CfnParameter, type CfnParameterProps, type Stack, Token } from 'aws-cdk-lib';
import { parameterName } from './parameter_name.ts';
import { eachSetting, type SettingName, SETTINGS, type Settings } from './settings.ts';

/** The settings with a parameter for each that can be one and is used by the stack; the shape stays as it is given. */
export function withParameters(stack: Stack, shape: Settings): Settings {
  const settings = { ...shape };
  for (const [name, { parameter, fallback }] of eachSetting()) {
    if (parameter !== undefined) asked(stack, settings, name, parameter, typeof fallback === 'number');
  }
  const description = 'The image of the HTTP handler that runs beside the worker.';
  if (shape.HANDLER_IMAGE !== undefined) asked(stack, settings, 'HANDLER_IMAGE', { ...SETTINGS.IMAGE.parameter, description }, false);
  return settings;
}

/** Makes the parameter when the setting is read for the first time. */
function asked(stack: Stack, settings: Settings, name: SettingName, props: CfnParameterProps, isNumber: boolean): void {
  let value: string | number | undefined;
  const make = () => {
    const parameter = new CfnParameter(stack, parameterName(name), props);
    return isNumber ? Token.asNumber(parameter.value) : Token.asString(parameter.value);
  };
  Object.defineProperty(settings, name, { enumerable: true, get: () => (value ??= make()) });
}
