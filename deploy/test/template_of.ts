// Templates of the shapes, and what tests ask of them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { SHAPES } from './shapes.ts';

/** One resource of a template. */
export interface Resource {
  readonly Type: string;
  readonly Properties: any;
  readonly DeletionPolicy?: string;
  readonly DependsOn?: string | string[];
}

const read = new Map<string, Template>();

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

/** Where the template of a shape is; `npm test` writes them all before it tests them. */
export function shapeFile(shape: string): URL {
  return new URL(`../shapes/${shape}.json`, import.meta.url);
}

/** The template of a shape. */
export function templateOf(shape: string): Template {
  assert.ok(shape in SHAPES, shape);
  const template = read.get(shape) ?? new Template(JSON.parse(readFileSync(shapeFile(shape), 'utf8')));
  read.set(shape, template);
  return template;
}
