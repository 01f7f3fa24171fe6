// cdk-nag finds nothing that is not acknowledged with a reason, in any shape.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';
import { readSettings } from '../app/read_settings.ts';
import { addStacks } from '../app/stacks.ts';
import { SHAPES } from './shapes.ts';

describe('cdk-nag', () => {
  for (const [name, texts] of Object.entries(SHAPES)) {
    it(`has no findings: ${name}`, () => {
      const outdir = mkdtempSync(join(tmpdir(), 'longshore-nag-'));
      try {
        const app = new App({ outdir, analyticsReporting: false });
        const stacks = addStacks(app, readSettings(texts));
        Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
        assert.doesNotThrow(() => app.synth());
        assert.ok(stacks.flatMap(({ node }) => node.findAll()).length > 50, 'there was something to look at');
      } finally {
        rmSync(outdir, { recursive: true });
      }
    });
  }
});
