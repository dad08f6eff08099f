// Text as values: which types a zod schema wants where, and reading text as one of them.
// Nothing is coerced: "abc" stays text where a number is wanted, so that the schema says what is wrong with it.
import * as z from 'zod';
import { readNumber } from './numbers.ts';

type Schema = z.core.$ZodType;
type Scalar = 'string' | 'number' | 'bigint' | 'boolean' | 'null' | 'file' | 'any';

/** What a schema accepts, as far as reading text needs to know. */
export interface Shape {
  readonly scalars: Set<Scalar>;
  /** Values of enums and literals that are not text, by the text that stands for them. */
  readonly literals: Map<string, unknown>;
  items: Schema | undefined;
  readonly tuple: Schema[];
  readonly properties: Map<string, Schema>;
  /** What further properties are; undefined when the schema takes no object or allows no others. */
  rest: Schema | undefined;
  isObject: boolean;
}

const shapes = new WeakMap<Schema, Shape>();

/** The shape of a schema with everything that wraps it looked through; unions and intersections add up. */
export function shapeOf(schema: Schema): Shape {
  const known = shapes.get(schema);
  if (known !== undefined) return known;
  const shape: Shape = {
    scalars: new Set(),
    literals: new Map(),
    items: undefined,
    tuple: [],
    properties: new Map(),
    rest: undefined,
    isObject: false,
  };
  gather(schema, shape, new Set());
  shapes.set(schema, shape);
  return shape;
}

function gather(schema: Schema, shape: Shape, seen: Set<Schema>): void {
  if (seen.has(schema)) return;
  seen.add(schema);
  const hint = z.globalRegistry.get(schema)?.['textShape'];
  if (hint instanceof z.core.$ZodType) return gather(hint, shape, seen);
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'string':
    case 'number':
    case 'bigint':
    case 'boolean':
    case 'null':
    case 'file':
      shape.scalars.add(def.type);
      break;
    case 'template_literal':
    case 'date':
      shape.scalars.add('string');
      break;
    case 'any':
    case 'unknown':
    case 'custom':
      shape.scalars.add('any');
      break;
    case 'literal':
      for (const value of def.values) addLiteral(shape, value);
      break;
    case 'enum':
      for (const value of Object.values(def.entries)) addLiteral(shape, value);
      break;
    case 'array':
      shape.items = shape.items === undefined ? def.element : either(shape.items, def.element);
      break;
    case 'tuple':
      shape.tuple.push(...def.items);
      shape.items ??= def.rest ?? z.unknown();
      break;
    case 'object':
      addProperties(shape, def.shape, def.catchall);
      break;
    case 'record':
      shape.isObject = true;
      shape.rest = shape.rest === undefined ? def.valueType : either(shape.rest, def.valueType);
      break;
    case 'union':
      for (const option of def.options) gather(option, shape, seen);
      break;
    case 'intersection':
      gather(def.left, shape, seen);
      gather(def.right, shape, seen);
      break;
    case 'nullable':
      shape.scalars.add('null');
      gather(def.innerType, shape, seen);
      break;
    case 'lazy':
      gather(def.getter(), shape, seen);
      break;
    case 'pipe':
      gather(def.in instanceof z.core.$ZodTransform ? def.out : def.in, shape, seen);
      break;
    default:
      if ('innerType' in def) gather(def.innerType, shape, seen);
  }
}

function addLiteral(shape: Shape, value: unknown): void {
  if (typeof value === 'string') shape.scalars.add('string');
  else if (value === null) shape.scalars.add('null');
  else shape.literals.set(String(value), value);
}

function addProperties(shape: Shape, properties: Readonly<Record<string, Schema>>, catchall: Schema | undefined): void {
  shape.isObject = true;
  for (const name of Object.keys(properties)) {
    const member = properties[name];
    const other = shape.properties.get(name);
    if (member !== undefined) shape.properties.set(name, other === undefined ? member : either(other, member));
  }
  if (catchall !== undefined && !(catchall instanceof z.core.$ZodNever))
    shape.rest = shape.rest === undefined ? catchall : either(shape.rest, catchall);
}

const either = (one: Schema, other: Schema): Schema => (one === other ? one : z.union([one, other]));

export const takesObject = (shape: Shape): boolean => shape.isObject;
export const takesArray = (shape: Shape): boolean => shape.items !== undefined;
export const takesScalar = (shape: Shape): boolean => shape.scalars.size + shape.literals.size > 0;

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const INTEGER = /^-?(?:0|[1-9]\d*)$/;

/** The value that text stands for under a schema; the text itself where it stands for none of the wanted types. */
export function decodeText(schema: Schema, text: string): unknown {
  const readings = readingsOf(shapeOf(schema), text);
  if (readings.length < 2) return readings.length === 0 ? text : readings[0];
  return readings.find((reading) => z.safeParse(schema, reading).success) ?? readings[0];
}

function readingsOf({ scalars, literals }: Shape, text: string): unknown[] {
  const readings: unknown[] = [];
  if (literals.has(text)) readings.push(literals.get(text));
  if (scalars.has('boolean') && (text === 'true' || text === 'false')) readings.push(text === 'true');
  if (scalars.has('number') && NUMBER.test(text)) readings.push(readNumber(text));
  if (scalars.has('bigint') && INTEGER.test(text)) readings.push(BigInt(text));
  if (scalars.has('null') && (text === 'null' || text === '')) readings.push(null);
  if (scalars.has('string') || scalars.has('any')) readings.push(text);
  return readings;
}

/** A name with brackets, taken apart: what came for it and what came for the names inside it. */
export interface Tree {
  readonly values: unknown[];
  readonly inside: Map<string, Tree>;
}

export const newTree = (): Tree => ({ values: [], inside: new Map() });

// deeper names than any client writes by hand would only serve to exhaust the stack
const DEEPEST = 32;

/** Puts a value at "a[b][]" ("" stands for each "[]"). */
export function plant(tree: Tree, name: string, value: unknown): void {
  let node = tree;
  for (const step of steps(name)) {
    const next = node.inside.get(step) ?? newTree();
    node.inside.set(step, next);
    node = next;
  }
  node.values.push(value);
}

function steps(name: string): string[] {
  const open = name.indexOf('[');
  if (open <= 0 || !name.endsWith(']')) return [name];
  const inner = name.slice(open + 1, -1).split('][');
  return inner.length > DEEPEST ? [name] : [name.slice(0, open), ...inner];
}

/** The value of a tree under a schema. What came twice for a single value stays an array, so that the schema refuses it. */
export function decodeTree(schema: Schema, tree: Tree): unknown {
  const shape = shapeOf(schema);
  if (tree.inside.size > 0) {
    const steps = [...tree.inside.keys()];
    const isList = takesArray(shape) ? steps.every(isIndex) : steps.every((step) => step === '');
    return isList ? decodeItems(schema, tree) : decodeMembers(shape, tree);
  }
  if (takesArray(shape) && (tree.values.length > 1 || !takesScalar(shape))) return decodeItems(schema, tree);
  const decoded = tree.values.map((value) => decodeLeaf(schema, value));
  return decoded.length === 1 ? decoded[0] : decoded;
}

const isIndex = (step: string): boolean => step === '' || /^\d{1,9}$/.test(step);

function decodeItems(schema: Schema, tree: Tree): unknown[] {
  const { items = z.unknown(), tuple } = shapeOf(schema);
  const ordered = [...tree.inside].sort(([one], [other]) =>
    one === '' || other === '' ? 0 : Number(one) - Number(other),
  );
  const leaves = [
    ...tree.values,
    ...ordered.flatMap(([step, node]) => (step === '' && node.inside.size === 0 ? node.values : [node])),
  ];
  return leaves.map((leaf, index) => {
    const item = tuple[index] ?? items;
    return isTree(leaf) ? decodeTree(item, leaf) : decodeLeaf(item, leaf);
  });
}

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && 'inside' in value && value.inside instanceof Map;

function decodeMembers({ properties, rest }: Shape, tree: Tree): Record<string, unknown> {
  const members: Record<string, unknown> = {};
  for (const [name, node] of tree.inside)
    setOwn(members, name, decodeTree(properties.get(name) ?? rest ?? z.unknown(), node));
  return members;
}

/** Text as a scalar; as JSON where only an object or array will do. Files and what is decoded already stay as they are. */
function decodeLeaf(schema: Schema, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const shape = shapeOf(schema);
  if (takesScalar(shape) || !(shape.isObject || takesArray(shape))) return decodeText(schema, value);
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** Sets an own property whatever its name: assigning to __proto__ would change the object's prototype instead. */
export function setOwn(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
}
