// Templates of the shapes, and what tests ask of them.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { type StackKind, STACKS } from '../app/names.ts';
import { SHAPES } from './shapes.ts';

/** One resource of a template. */
export interface Resource {
  readonly Type: string;
  readonly Properties: any;
  readonly DeletionPolicy?: string;
  readonly DependsOn?: string | string[];
  readonly Condition?: string;
}

const read = new Map<string, Record<StackKind, Template>>();

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

/** Where a template of a shape is; `npm test` writes them all before it tests them. */
export function shapeFile(shape: string, kind: StackKind): URL {
  return new URL(`../shapes/${shape}.${kind}.json`, import.meta.url);
}

/** The templates of a shape, by the kind of stack. */
export function templatesOf(shape: string): Record<StackKind, Template> {
  assert.ok(shape in SHAPES, shape);
  const isThere = (kind: StackKind) => existsSync(shapeFile(shape, kind));
  const open = (kind: StackKind) => new Template(isThere(kind) ? JSON.parse(readFileSync(shapeFile(shape, kind), 'utf8')) : { Resources: {} });
  const templates = read.get(shape) ?? (Object.fromEntries(STACKS.map((kind) => [kind, open(kind)])) as Record<StackKind, Template>);
  read.set(shape, templates);
  return templates;
}

/** All of a shape in one, for tests that do not care which stack has what. */
export function templateOf(shape: string): Template {
  const all = Object.values(templatesOf(shape)).map(({ json }) => json as Record<string, object>);
  const merged = (section: string) => Object.assign({}, ...all.map((json) => json[section] ?? {})) as object;
  const ids = all.flatMap(({ Resources = {} }) => Object.keys(Resources));
  assert.equal(new Set(ids).size, ids.length, 'no id is in two stacks');
  return new Template({ Resources: merged('Resources'), Mappings: merged('Mappings') });
}
