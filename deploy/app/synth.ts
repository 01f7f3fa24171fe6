// Templates as texts, and those that are committed.
import { readFileSync, writeFileSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { lines, substituted } from './compact.ts';
import { type StackKind, STACKS } from './names.ts';
import { readSettings } from './read_settings.ts';
import { addStacks, type Binding, type LongshoreStack } from './stacks.ts';

/** The limit of `aws cloudformation deploy` without a bucket, in bytes. */
export const TEMPLATE_BYTES = 51_200;

/** The settings whose shape the committed templates have; their parameters take the place of the rest. */
export const COMMITTED = { PROJECT_NAME: 'orders', IMAGE: 'longshore', HANDLER_IMAGE: 'handler' };

/** A template by its sections. */
export type Json = Record<string, unknown>;

/** The templates for these settings. */
export function synthesize(texts: Readonly<Record<string, string>>, binding: Binding): Record<StackKind, Json> {
  const app = new App({ analyticsReporting: false, context: { 'aws:cdk:disable-path-metadata': true } });
  const stacks = addStacks(app, readSettings(texts), binding);
  const assembly = app.synth();
  const templates = stacks.map(({ kind, artifactId }) => [kind, substituted(assembly.getStackArtifact(artifactId).template)]);
  return Object.fromEntries(templates) as Record<StackKind, Json>;
}

/** The texts of `stacks/*.json`. */
export function committedTemplates(): Record<StackKind, string> {
  const templates = synthesize(COMMITTED, 'asked');
  return Object.fromEntries(STACKS.map((kind) => [kind, lines(templates[kind])])) as Record<StackKind, string>;
}

/** Writes the app's assembly, its templates so compact that they can be deployed without a bucket. */
export function writeAssembly(app: App, stacks: readonly LongshoreStack[]): void {
  const assembly = app.synth();
  for (const { artifactId } of stacks) {
    const { templateFullPath } = assembly.getStackArtifact(artifactId);
    writeFileSync(templateFullPath, lines(substituted(JSON.parse(readFileSync(templateFullPath, 'utf8')))));
  }
}
