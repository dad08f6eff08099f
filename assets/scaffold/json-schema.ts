/**
 * JSON Schema rules that zod has no words for, as zod checks and schemas. This file is yours: it depends on zod alone.
 *
 * Checks refuse a value with one plain sentence. They look at own members only, so that `toString` and
 * `constructor` are names like any other.
 */
import * as z from 'zod';

/** A JSON Schema (draft 2020-12) as data: patterns are regular expressions, formats that are checked are functions, `$ref` names a definition. */
export type JsonSchema = boolean | Keywords;
export type Definitions = Readonly<Record<string, JsonSchema>>;

export interface Keywords {
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly deprecated?: boolean;
  readonly readOnly?: boolean;
  readonly writeOnly?: boolean;
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly allOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly not?: JsonSchema;
  readonly if?: JsonSchema;
  readonly then?: JsonSchema;
  readonly else?: JsonSchema;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: RegExp;
  readonly format?: ((text: string) => boolean) | string | undefined;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly multipleOf?: number;
  readonly prefixItems?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly contains?: JsonSchema;
  readonly minContains?: number;
  readonly maxContains?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly unevaluatedItems?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly patternProperties?: readonly (readonly [RegExp, JsonSchema])[];
  readonly additionalProperties?: JsonSchema;
  readonly propertyNames?: JsonSchema;
  readonly required?: readonly string[];
  readonly dependentRequired?: Readonly<Record<string, readonly string[]>>;
  readonly dependentSchemas?: Readonly<Record<string, JsonSchema>>;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly unevaluatedProperties?: JsonSchema;
}

/** A schema seen by its output alone: comparing all of a zod class with another is slow work for the compiler. */
interface Typed<T> {
  _zod: { output: T };
}

type Check = (payload: z.core.ParsePayload) => void;
type Members = Record<string, unknown>;

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function has(value: Members, name: string): boolean {
  return Object.hasOwn(value, name);
}

function refuse(payload: z.core.ParsePayload, message: string, path: PropertyKey[] = []): void {
  payload.issues.push({ code: 'custom', message, path, input: payload.value });
}

/** The check that a rule holds; the rule sees any value and lets pass what it is not about. */
function rule(holds: (value: unknown) => boolean, message: string): Check {
  return (payload) => {
    if (!holds(payload.value)) refuse(payload, message);
  };
}

// Strings: JSON Schema counts characters, JavaScript UTF-16 units.

function longerThan(text: string, limit: number): boolean {
  if (text.length <= limit) return false;
  return text.length > 2 * limit || [...text].length > limit;
}

export function minLength(limit: number): Check {
  return rule((value) => typeof value !== 'string' || limit < 1 || longerThan(value, limit - 1), `must have at least ${limit} characters`);
}

export function maxLength(limit: number): Check {
  return rule((value) => typeof value !== 'string' || !longerThan(value, limit), `must have at most ${limit} characters`);
}

// Numbers: 0.3 is a multiple of 0.1, whatever binary fractions say.

/** A finite number as an integer and a power of ten. */
function decimal(value: number): [bigint, number] {
  const [digits = '0', exponent = '0'] = value.toString().split('e');
  const [whole = '0', fraction = ''] = digits.split('.');
  return [BigInt(whole + fraction), Number(exponent) - fraction.length];
}

function isMultiple(value: number, step: number): boolean {
  if (!Number.isFinite(value)) return false;
  const [number, power] = decimal(value);
  const [divisor, stepPower] = decimal(step);
  const scale = Math.min(power, stepPower);
  return (number * 10n ** BigInt(power - scale)) % (divisor * 10n ** BigInt(stepPower - scale)) === 0n;
}

export function multipleOf(step: number): Check {
  return rule((value) => typeof value !== 'number' || isMultiple(value, step), `must be a multiple of ${step}`);
}

/** An integer of 64 bits. Those beyond 2 ** 53 arrive rounded. */
export function int64(): z.ZodNumber {
  return z.number().refine(Number.isInteger, 'must be a whole number').gte(-(2 ** 63)).lt(2 ** 63);
}

// Equality of JSON values: the order of members does not matter.

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? 'undefined';
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join()}}`;
}

/** One of these JSON values. */
export function equals<T>(values: readonly unknown[]): z.ZodType<T> {
  const texts = new Set(values.map(canonical));
  return z.custom<T>((value) => texts.has(canonical(value)), `must be one of: ${values.map((value) => JSON.stringify(value)).join(', ')}`);
}

// Arrays and objects.

export function minItems(limit: number): Check {
  return rule((value) => !Array.isArray(value) || value.length >= limit, `must have at least ${limit} items`);
}

export function maxItems(limit: number): Check {
  return rule((value) => !Array.isArray(value) || value.length <= limit, `must have at most ${limit} items`);
}

function allDifferent(items: readonly unknown[]): boolean {
  const values = items.filter((item) => !(item instanceof Blob));
  return new Set(values.map(canonical)).size === values.length;
}

export function uniqueItems(): Check {
  return rule((value) => !Array.isArray(value) || allDifferent(value), 'must not have two equal items');
}

export function minProperties(limit: number): Check {
  return rule((value) => !isObject(value) || Object.keys(value).length >= limit, `must have at least ${limit} members`);
}

export function maxProperties(limit: number): Check {
  return rule((value) => !isObject(value) || Object.keys(value).length <= limit, `must have at most ${limit} members`);
}

export function required(name: string): Check {
  return (payload) => {
    if (isObject(payload.value) && !has(payload.value, name)) refuse(payload, 'is required', [name]);
  };
}

export function object(): Check {
  return rule(isObject, 'must be an object');
}

// Schemas.

/** Runs a schema inside a transform, so that its issues keep their places. */
function run<T>(schema: Typed<T>, value: unknown, context: z.core.ParsePayload): T {
  const result = (schema as z.ZodType<T>).safeParse(value);
  if (result.success) return result.data;
  context.issues.push(...result.error.issues.map((issue) => ({ ...issue, input: value }) as z.core.$ZodRawIssue));
  return z.NEVER;
}

/** The schema where a value is of the type that the keywords are about; all other values pass. */
function when(applies: (value: unknown) => boolean) {
  return <T>(schema: Typed<T>): z.ZodType<T> =>
    z
      .unknown()
      .transform((value, context) => (applies(value) ? run(schema, value, context) : (value as T)))
      .meta({ textShape: schema as z.ZodType });
}

export const whenObject = when(isObject);
export const whenArray = when(Array.isArray);
export const whenString = when((value) => typeof value === 'string');
export const whenNumber = when((value) => typeof value === 'number');

/** What is left of a value when several schemas hold: a member that one of them drops is gone. */
function common(left: unknown, right: unknown): unknown {
  if (left === right) return left;
  if (Array.isArray(left) && Array.isArray(right)) return left.map((item, index) => common(item, right[index]));
  if (!isObject(left) || !isObject(right)) return right;
  return Object.fromEntries(Object.keys(left).filter((name) => has(right, name)).map((name) => [name, common(left[name], right[name])]));
}

/** Every schema holds by itself. Unlike z.intersection it refuses what one closed object does not name. */
export function allOf<T>(parts: readonly Typed<unknown>[]): z.ZodType<T> {
  const schemas = parts as readonly z.ZodType[];
  const all = (value: unknown, context: z.core.ParsePayload): T => {
    const before = context.issues.length;
    const results = schemas.map((schema) => run(schema, value, context));
    return context.issues.length > before ? z.NEVER : (results.reduce(common) as T);
  };
  return z
    .unknown()
    .transform(all)
    .meta({ textShape: schemas.reduce((left, right) => left.and(right)) });
}

/** The schema with members required that it leaves open. */
export function requiring<T, const K extends keyof T & string>(schema: Typed<T>, names: readonly K[]): z.ZodType<T & Required<Pick<T, K>>> {
  return (schema as z.ZodType<T>).check(...names.map(required)) as z.ZodType<T & Required<Pick<T, K>>>;
}

/** The schema after members were dropped that a sender has no say in. */
export function without<T>(members: readonly string[] | Readonly<Record<string, z.ZodType>>, schema: Typed<T>): z.ZodType<T> {
  const names: readonly string[] = Array.isArray(members) ? members : Object.keys(members);
  const dropped = (value: unknown) => (isObject(value) ? Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name))) : value);
  return z
    .unknown()
    .transform((value, context) => run(schema, dropped(value), context))
    .meta({ textShape: schema as z.ZodType });
}

/** The branch that the value of a member names. */
export function discriminated<B extends Record<string, () => z.ZodType>>(property: string, branches: B): z.ZodType<{ [K in keyof B]: z.output<ReturnType<B[K]>> }[keyof B]> {
  type Output = { [K in keyof B]: z.output<ReturnType<B[K]>> }[keyof B];
  const choose = (value: unknown, context: z.core.ParsePayload): Output => {
    if (!isObject(value)) {
      context.issues.push({ code: 'invalid_type', expected: 'object', input: value });
      return z.NEVER;
    }
    const kind = has(value, property) ? String(value[property]) : undefined;
    const branch = kind !== undefined && Object.hasOwn(branches, kind) ? branches[kind] : undefined;
    if (branch) return run(branch(), value, context) as Output;
    context.issues.push({ code: 'custom', message: `must be one of: ${Object.keys(branches).join(', ')}`, path: [property], input: value[property] });
    return z.NEVER;
  };
  const textShape = z.lazy(() => z.union(Object.values(branches).map((branch) => branch())));
  return z.unknown().transform(choose).meta({ textShape });
}

/** Keywords that are checked on top of a schema. */
export function keywords(schema: JsonSchema, definitions: Definitions = {}): Check {
  return (payload) => {
    for (const { message, path } of evaluate(schema, payload.value, { path: [], definitions, followed: [] }).issues) refuse(payload, message, path);
  };
}

/** A schema that is decided by the interpreter below alone. */
export function jsonSchema<T>(schema: JsonSchema, definitions: Definitions = {}): z.ZodType<T> {
  const textShape = shapeOf(schema, definitions, 0);
  return z.custom<T>().check(keywords(schema, definitions)).meta({ textShape });
}

/** What kind of text a schema may be read from: types alone, without limits. */
function shapeOf(schema: JsonSchema | undefined, definitions: Definitions, depth: number): z.ZodType {
  if (schema === undefined || typeof schema === 'boolean' || depth > 8) return z.unknown();
  if (schema.$ref !== undefined) return shapeOf(definitions[schema.$ref], definitions, depth + 1);
  const inner = (part: JsonSchema | undefined) => shapeOf(part, definitions, depth + 1);
  const shapes: Record<string, () => z.ZodType> = {
    string: () => z.string(),
    number: () => z.number(),
    integer: () => z.int(),
    boolean: () => z.boolean(),
    null: () => z.null(),
    array: () => z.array(inner(schema.items)),
    object: () => z.looseObject(Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, part]) => [name, inner(part)]))),
  };
  const types = typesOf(schema).map((type) => shapes[type]?.() ?? z.unknown());
  return types.length > 0 ? z.union(types) : z.unknown();
}

// The interpreter: every keyword of draft 2020-12 but anchors and dynamic references.

interface Issue {
  readonly message: string;
  readonly path: PropertyKey[];
}

/** What a schema says of a value: what is wrong, and which members and items it has dealt with. */
interface Evaluation {
  issues: Issue[];
  names: Set<string>;
  items: Set<number>;
}

interface Place {
  readonly path: PropertyKey[];
  readonly definitions: Definitions;
  /** Definitions that were followed to this very value: following one twice would never end. */
  readonly followed: readonly string[];
}

function typesOf(schema: Keywords): readonly string[] {
  return schema.type === undefined ? [] : typeof schema.type === 'string' ? [schema.type] : schema.type;
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  return type === 'object' ? isObject(value) : typeof value === type;
}

function evaluate(schema: JsonSchema, value: unknown, place: Place): Evaluation {
  const found: Evaluation = { issues: [], names: new Set(), items: new Set() };
  if (schema === false) found.issues.push({ message: 'is not allowed', path: place.path });
  if (typeof schema === 'boolean') return found;
  const types = typesOf(schema);
  if (types.length > 0 && !types.some((type) => isOfType(value, type))) found.issues.push({ message: `must be of type ${types.join(' or ')}`, path: place.path });
  for (const check of limits(schema)) {
    const payload: z.core.ParsePayload = { value, issues: [] };
    check(payload);
    found.issues.push(...payload.issues.map((issue) => ({ message: issue.message ?? 'is not right', path: place.path })));
  }
  compositions(schema, value, place, found);
  if (isObject(value)) members(schema, value, place, found);
  if (Array.isArray(value)) items(schema, value, place, found);
  return found;
}

/** The keywords that look at the value alone. */
function* limits(schema: Keywords): Generator<Check> {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, pattern, format } = schema;
  if (schema.enum !== undefined) yield oneOf(schema.enum);
  if ('const' in schema) yield oneOf([schema.const]);
  if (schema.minLength !== undefined) yield minLength(schema.minLength);
  if (schema.maxLength !== undefined) yield maxLength(schema.maxLength);
  if (pattern !== undefined) yield rule((value) => typeof value !== 'string' || pattern.test(value), `must match ${pattern}`);
  if (typeof format === 'function') yield rule((value) => typeof value !== 'string' || format(value), 'must have the right format');
  if (minimum !== undefined) yield rule((value) => typeof value !== 'number' || value >= minimum, `must be at least ${minimum}`);
  if (maximum !== undefined) yield rule((value) => typeof value !== 'number' || value <= maximum, `must be at most ${maximum}`);
  if (exclusiveMinimum !== undefined) yield rule((value) => typeof value !== 'number' || value > exclusiveMinimum, `must be more than ${exclusiveMinimum}`);
  if (exclusiveMaximum !== undefined) yield rule((value) => typeof value !== 'number' || value < exclusiveMaximum, `must be less than ${exclusiveMaximum}`);
  if (schema.multipleOf !== undefined) yield multipleOf(schema.multipleOf);
  if (schema.minItems !== undefined) yield minItems(schema.minItems);
  if (schema.maxItems !== undefined) yield maxItems(schema.maxItems);
  if (schema.uniqueItems === true) yield uniqueItems();
  if (schema.minProperties !== undefined) yield minProperties(schema.minProperties);
  if (schema.maxProperties !== undefined) yield maxProperties(schema.maxProperties);
}

function oneOf(values: readonly unknown[]): Check {
  const texts = new Set(values.map(canonical));
  return rule((value) => texts.has(canonical(value)), `must be one of: ${values.map((value) => JSON.stringify(value)).join(', ')}`);
}

/** Take over what a schema that holds has dealt with; a failing one counts for nothing. */
function absorb(found: Evaluation, part: Evaluation): boolean {
  if (part.issues.length > 0) return false;
  for (const name of part.names) found.names.add(name);
  for (const item of part.items) found.items.add(item);
  return true;
}

/** Absorb a schema that has to hold. */
function demand(found: Evaluation, part: Evaluation): void {
  if (!absorb(found, part)) found.issues.push(...part.issues);
}

function compositions(schema: Keywords, value: unknown, place: Place, found: Evaluation): void {
  const wrong = (message: string) => found.issues.push({ message, path: place.path });
  if (schema.$ref !== undefined && !place.followed.includes(schema.$ref)) {
    demand(found, evaluate(place.definitions[schema.$ref] ?? true, value, { ...place, followed: [...place.followed, schema.$ref] }));
  }
  for (const part of schema.allOf ?? []) demand(found, evaluate(part, value, place));
  if (schema.anyOf) {
    const right = schema.anyOf.filter((part) => absorb(found, evaluate(part, value, place)));
    if (right.length === 0) wrong('must match at least one of the alternatives');
  }
  if (schema.oneOf) {
    const right = schema.oneOf.map((part) => evaluate(part, value, place)).filter((part) => part.issues.length === 0);
    if (right[0] && right.length === 1) absorb(found, right[0]);
    else wrong(`must match exactly one of the alternatives, matches ${right.length}`);
  }
  if (schema.not !== undefined && evaluate(schema.not, value, place).issues.length === 0) wrong('must not match the excluded schema');
  if (schema.if !== undefined) {
    const branch = absorb(found, evaluate(schema.if, value, place)) ? schema.then : schema.else;
    if (branch !== undefined) demand(found, evaluate(branch, value, place));
  }
}

function within(place: Place, step: PropertyKey): Place {
  return { path: [...place.path, step], definitions: place.definitions, followed: [] };
}

function members(schema: Keywords, value: Members, place: Place, found: Evaluation): void {
  const missing = (name: string) => found.issues.push({ message: 'is required', path: [...place.path, name] });
  for (const name of schema.required ?? []) if (!has(value, name)) missing(name);
  for (const [name, needed] of Object.entries(schema.dependentRequired ?? {})) {
    if (has(value, name)) for (const other of needed) if (!has(value, other)) missing(other);
  }
  for (const [name, part] of Object.entries(schema.dependentSchemas ?? {})) if (has(value, name)) demand(found, evaluate(part, value, place));
  const own = new Set<string>();
  const check = (name: string, part: JsonSchema) => {
    own.add(name);
    found.issues.push(...evaluate(part, value[name], within(place, name)).issues);
  };
  for (const name of Object.keys(value)) {
    if (schema.propertyNames !== undefined) found.issues.push(...evaluate(schema.propertyNames, name, within(place, name)).issues);
    const part = schema.properties && Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
    if (part !== undefined) check(name, part);
    for (const [pattern, matched] of schema.patternProperties ?? []) if (pattern.test(name)) check(name, matched);
    if (schema.additionalProperties !== undefined && !own.has(name)) check(name, schema.additionalProperties);
  }
  for (const name of own) found.names.add(name);
  if (schema.unevaluatedProperties === undefined) return;
  for (const name of Object.keys(value)) if (!found.names.has(name)) check(name, schema.unevaluatedProperties);
  for (const name of own) found.names.add(name);
}

function items(schema: Keywords, value: readonly unknown[], place: Place, found: Evaluation): void {
  const check = (index: number, part: JsonSchema) => {
    found.items.add(index);
    found.issues.push(...evaluate(part, value[index], within(place, index)).issues);
  };
  const prefix = schema.prefixItems ?? [];
  for (const [index, part] of prefix.slice(0, value.length).entries()) check(index, part);
  if (schema.items !== undefined) for (let index = prefix.length; index < value.length; index += 1) check(index, schema.items);
  if (schema.contains !== undefined) containing(schema, schema.contains, value, place, found);
  if (schema.unevaluatedItems === undefined) return;
  for (let index = 0; index < value.length; index += 1) if (!found.items.has(index)) check(index, schema.unevaluatedItems);
}

function containing(schema: Keywords, wanted: JsonSchema, value: readonly unknown[], place: Place, found: Evaluation): void {
  const { minContains = 1, maxContains = Infinity } = schema;
  const right = [...value.keys()].filter((index) => evaluate(wanted, value[index], within(place, index)).issues.length === 0);
  for (const index of right) found.items.add(index);
  if (right.length < minContains) found.issues.push({ message: `must contain at least ${minContains} matching items`, path: place.path });
  if (right.length > maxContains) found.issues.push({ message: `must contain at most ${maxContains} matching items`, path: place.path });
}
