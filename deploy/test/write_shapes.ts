// Writes the template of each shape into a folder, for cfn-lint: `node write_shapes.js FOLDER`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SHAPES } from './shapes.ts';
import { templateOf } from './template_of.ts';

const folder = process.argv[2] ?? 'shapes';
mkdirSync(folder, { recursive: true });
for (const shape of Object.keys(SHAPES)) writeFileSync(join(folder, `${shape}.json`), JSON.stringify(templateOf(shape).json));
