// Writes the template of each shape, for the tests and for cfn-lint: synthesizing takes seconds, reading does not.
import { mkdirSync, writeFileSync } from 'node:fs';
import { synthesize } from '../lib/synth.ts';
import { SHAPES } from './shapes.ts';
import { shapeFile } from './template_of.ts';

mkdirSync(new URL('.', shapeFile('any')), { recursive: true });
for (const [shape, texts] of Object.entries(SHAPES)) writeFileSync(shapeFile(shape), JSON.stringify(synthesize(texts, 'written')));
