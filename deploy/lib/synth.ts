// Templates as texts, and the one that is committed.
import { readFileSync, writeFileSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { lines, substituted } from './compact.ts';
import { readSettings } from './read_settings.ts';
import { type Binding, QueueStack } from './stack.ts';

/** The limit of `aws cloudformation deploy` without a bucket, in bytes. */
export const TEMPLATE_BYTES = 51_200;

/** The settings whose shape the committed template has; its parameters take the place of the rest. */
export const COMMITTED = { PROJECT_NAME: 'orders', IMAGE: 'longshore', HANDLER_IMAGE: 'handler' };

/** The template for these settings. */
export function synthesize(texts: Readonly<Record<string, string>>, binding: Binding): Record<string, unknown> {
  const app = new App({ analyticsReporting: false, context: { 'aws:cdk:disable-path-metadata': true } });
  const stack = new QueueStack(app, 'Longshore', readSettings(texts), binding);
  return app.synth().getStackArtifact(stack.artifactId).template as Record<string, unknown>;
}

/** The text of `template.json`. */
export function committedTemplate(): string {
  return compact(synthesize(COMMITTED, 'asked'));
}

/** Writes the app's assembly, its template so compact that it can be deployed without a bucket. */
export function writeAssembly(app: App, stack: QueueStack): void {
  const { templateFullPath } = app.synth().getStackArtifact(stack.artifactId);
  writeFileSync(templateFullPath, compact(JSON.parse(readFileSync(templateFullPath, 'utf8'))));
}

const compact = (template: unknown): string => lines(substituted(template));
