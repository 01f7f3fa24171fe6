// Writes the templates of each shape, for the tests and for cfn-lint: synthesizing takes seconds, reading does not.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { StackKind } from '../app/names.ts';
import { synthesize } from '../app/synth.ts';
import { SHAPES } from './shapes.ts';
import { shapeFile } from './template_of.ts';

const folder = new URL('.', shapeFile('any', 'queue'));
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const [shape, texts] of Object.entries(SHAPES)) {
  const templates = Object.entries(synthesize(texts, 'written')) as [StackKind, unknown][];
  for (const [kind, template] of templates) writeFileSync(shapeFile(shape, kind), JSON.stringify(template));
}
