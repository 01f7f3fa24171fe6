// `cdk synth` and `cdk deploy`: the stack for the settings in the environment.
import { App } from 'aws-cdk-lib';
import { stackName } from '../lib/names.ts';
import { readSettings, SettingsError } from '../lib/read_settings.ts';
import { QueueStack } from '../lib/stack.ts';
import { writeAssembly } from '../lib/synth.ts';

try {
  const app = new App();
  const settings = readSettings(process.env);
  writeAssembly(app, new QueueStack(app, stackName(settings), settings));
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  process.stderr.write(`error: ${error.message}\nhint: deploy/README.md has every setting\n`);
  process.exitCode = 64;
}
