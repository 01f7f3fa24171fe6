// `cdk synth` and `cdk deploy --all`: the stacks for the settings in the environment.
import { App } from 'aws-cdk-lib';
import { readSettings, SettingsError } from '../app/read_settings.ts';
import { addStacks } from '../app/stacks.ts';
import { writeAssembly } from '../app/synth.ts';

try {
  const app = new App();
  writeAssembly(app, addStacks(app, readSettings(process.env)));
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  process.stderr.write(`error: ${error.message}\nhint: docs/deploy-settings.md has every setting\n`);
  process.exitCode = 64;
}
