// Templates of the shapes, made once each, and what tests ask of them.
import assert from 'node:assert/strict';
import { synthesize } from '../lib/synth.ts';
import { SHAPES } from './shapes.ts';

/** One resource of a template. */
export interface Resource {
  readonly Type: string;
  readonly Properties: any;
  readonly DeletionPolicy?: string;
  readonly DependsOn?: string | string[];
}

const made = new Map<string, Template>();

/** A template by its resources. */
export class Template {
  constructor(readonly json: Record<string, unknown>) {}

  /** Every resource of a type, by its id. */
  all(type: string): [string, Resource][] {
    return Object.entries(this.json['Resources'] as Record<string, Resource>).filter(([, resource]) => resource.Type === type);
  }

  /** The properties of the one resource of a type. */
  only(type: string): Resource['Properties'] {
    const found = this.all(type);
    assert.equal(found.length, 1, `one ${type}`);
    return found[0]?.[1].Properties;
  }

  /** The properties of a resource by its id, of which the construct's hash may be left out. */
  resource(id: string): Resource['Properties'] {
    const resources = this.json['Resources'] as Record<string, Resource>;
    const key = Object.keys(resources).find((name) => name === id || name.replace(/[0-9A-F]{8}$/, '') === id);
    assert.ok(key, `there is a ${id}`);
    return resources[key]?.Properties;
  }
}

/** The template of a shape. */
export function templateOf(shape: string): Template {
  const texts = SHAPES[shape];
  assert.ok(texts, shape);
  const template = made.get(shape) ?? new Template(synthesize(texts, 'written'));
  made.set(shape, template);
  return template;
}
