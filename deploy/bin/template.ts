// Writes `template.json` anew.
import { writeFileSync } from 'node:fs';
import { committedTemplate } from '../lib/synth.ts';

writeFileSync('template.json', committedTemplate());
