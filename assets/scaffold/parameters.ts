// Path, query, header and cookie parameters: from the raw request to values, by OpenAPI's styles.
import * as z from 'zod';
import {
  decodeText,
  decodeTree,
  newTree,
  plant,
  setOwn,
  shapeOf,
  takesArray,
  takesObject,
  takesScalar,
  type Tree,
} from './decode.ts';
import { badRequest, type FieldProblem } from './http-error.ts';

type Schema = z.core.$ZodType;

/** How a parameter is written; `content` instead when its value is a serialised document. */
export interface Style {
  readonly style: 'form' | 'spaceDelimited' | 'pipeDelimited' | 'deepObject' | 'simple' | 'label' | 'matrix';
  readonly explode: boolean;
  readonly content?: 'json';
}

export type Styles = Readonly<Record<string, Style>>;

const FORM: Style = { style: 'form', explode: true };
const SIMPLE: Style = { style: 'simple', explode: false };
const DELIMITERS = {
  form: ',',
  spaceDelimited: ' ',
  pipeDelimited: '|',
  deepObject: ',',
  simple: ',',
  label: ',',
  matrix: ',',
} as const;

/** Percent-decoding as UTF-8; what is no valid escape is the client's mistake (400). */
export function percentDecode(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw badRequest('the address holds a broken percent escape', cause);
  }
}

const queryDecode = (text: string): string => percentDecode(text.replaceAll('+', ' '));

const styleOf = (styles: Styles, name: string, usual: Style): Style =>
  (Object.hasOwn(styles, name) ? styles[name] : undefined) ?? usual;

/** An object that has no members but those it is given: a parameter may be called constructor. */
const bare = (): object => Object.create(null) as object;

/** One name=value pair; the value is still as it was sent. */
export interface Pair {
  readonly name: string;
  readonly raw: string;
}

/** The pairs of a query string or form. */
export function parsePairs(query: string): Pair[] {
  return query.split('&').flatMap((part) => {
    if (part === '') return [];
    const equals = part.indexOf('=');
    const pair = equals < 0 ? { name: part, raw: '' } : { name: part.slice(0, equals), raw: part.slice(equals + 1) };
    return [{ name: queryDecode(pair.name), raw: pair.raw }];
  });
}

/** The query parameters that `schema` names. */
export function decodeQuery(schema: Schema, query: string, styles: Styles = {}): object {
  const pairs = parsePairs(query);
  const { properties } = shapeOf(schema);
  const decoded = bare();
  for (const [name, member] of properties) {
    const value = decodePairs(name, member, styleOf(styles, name, FORM), pairs, properties);
    if (value !== undefined) setOwn(decoded, name, value);
  }
  return decoded;
}

/** The parameters of a query that `schema` does not name: what a mistyped filter lets through is more than was asked for. */
export function undeclared(schema: Schema | undefined, query: string, others: readonly string[]): FieldProblem[] {
  const declared = new Set(others);
  for (const [name, member] of schema ? shapeOf(schema).properties : []) {
    declared.add(name);
    for (const inner of shapeOf(member).properties.keys()) declared.add(inner);
  }
  const unknown = parsePairs(query).filter(({ name }) => !declared.has(name) && !declared.has(name.replace(/\[.*$/su, '')));
  return unknown.map(({ name }) => ({ field: name, message: 'is no parameter of this operation' }));
}

/** A form body: the fields that `schema` names by their styles, and all others by their brackets. */
export function decodeForm(schema: Schema, pairs: readonly Pair[], styles: Styles): object {
  const styled = new Set(Object.keys(styles).filter((name) => styles[name]?.style !== 'deepObject'));
  const tree = newTree();
  for (const { name, raw } of pairs) if (!styled.has(name)) plant(tree, name, queryDecode(raw));
  const decoded = decodeFields(schema, tree);
  const { properties } = shapeOf(schema);
  for (const name of styled) {
    const member = properties.get(name);
    const value = member && decodePairs(name, member, styleOf(styles, name, FORM), pairs, properties);
    if (value !== undefined) setOwn(decoded, name, value);
  }
  return decoded;
}

/** The fields of a form whose names are planted in a tree. A form cannot say that a list is empty, so required ones that did not come are. */
export function decodeFields(schema: Schema, tree: Tree): object {
  const { properties, rest } = shapeOf(schema);
  const decoded = bare();
  for (const [name, member] of properties) {
    const shape = shapeOf(member);
    if (!tree.inside.has(name) && takesArray(shape) && !takesScalar(shape) && member._zod.optin !== 'optional')
      setOwn(decoded, name, []);
  }
  for (const [name, node] of tree.inside) {
    setOwn(decoded, name, decodeTree(properties.get(name) ?? rest ?? z.unknown(), node));
  }
  return decoded;
}

function decodePairs(
  name: string,
  schema: Schema,
  style: Style,
  pairs: readonly Pair[],
  siblings: ReadonlyMap<string, Schema>,
): unknown {
  const own = pairs.filter((pair) => pair.name === name);
  if (style.content === 'json') return own[0] && parseJson(name, queryDecode(own[0].raw));
  if (style.style === 'deepObject') return deepObject(name, schema, pairs);
  const shape = shapeOf(schema);
  if (style.explode) {
    if (own.length > 0 || !takesObject(shape))
      return own.length === 0
        ? undefined
        : decodeTree(schema, { values: own.map((pair) => queryDecode(pair.raw)), inside: new Map() });
    return explodedMembers(schema, pairs, siblings);
  }
  if (own.length === 0) return undefined;
  if (!takesArray(shape) && !takesObject(shape))
    return decodeTree(schema, { values: own.map((pair) => queryDecode(pair.raw)), inside: new Map() });
  return fromParts(
    schema,
    own.flatMap((pair) => split(pair.raw, DELIMITERS[style.style], queryDecode)),
  );
}

/** `?filter[a]=1&filter[b][]=2`, also `filter[0][b]=1`, as deep as the schema goes. */
function deepObject(name: string, schema: Schema, pairs: readonly Pair[]): unknown {
  const tree = newTree();
  for (const pair of pairs)
    if (pair.name === name || pair.name.startsWith(`${name}[`)) plant(tree, pair.name, queryDecode(pair.raw));
  const own = tree.inside.get(name);
  return own && decodeTree(schema, own);
}

/** An exploded object: its members stand beside the other parameters. */
function explodedMembers(
  schema: Schema,
  pairs: readonly Pair[],
  siblings: ReadonlyMap<string, Schema>,
): object | undefined {
  const { properties, rest } = shapeOf(schema);
  const members = new Map<string, string[]>();
  for (const { name, raw } of pairs) {
    if (properties.has(name) || (rest !== undefined && !siblings.has(name)))
      members.set(name, [...(members.get(name) ?? []), queryDecode(raw)]);
  }
  if (members.size === 0) return undefined;
  const decoded = bare();
  for (const [name, values] of members) {
    const member = properties.get(name) ?? rest;
    if (member !== undefined) setOwn(decoded, name, decodeTree(member, { values, inside: new Map() }));
  }
  return decoded;
}

/** Delimiters that were sent literally part the value before it is decoded; many clients encode them too, so failing that they part it afterwards. */
function split(raw: string, delimiter: string, decode: (text: string) => string): string[] {
  if (raw === '') return [];
  return raw.includes(delimiter) ? raw.split(delimiter).map(decode) : decode(raw).split(delimiter);
}

/** An array of parts, or an object from name, value, name, value. */
function fromParts(schema: Schema, parts: readonly string[]): unknown {
  const shape = shapeOf(schema);
  if (takesArray(shape)) {
    if (parts.length === 1 && takesScalar(shape)) return decodeText(schema, parts[0] ?? '');
    return parts.map((part, index) => decodeText(shape.tuple[index] ?? shape.items ?? schema, part));
  }
  if (parts.length % 2 === 1) return parts.join(',');
  const members = {};
  for (let index = 0; index < parts.length; index += 2)
    setMember(members, schema, parts[index] ?? '', parts[index + 1] ?? '');
  return members;
}

function setMember(members: object, schema: Schema, name: string, text: string): void {
  const { properties, rest } = shapeOf(schema);
  const member = properties.get(name) ?? rest;
  setOwn(members, name, member === undefined ? text : decodeText(member, text));
}

/** The path parameters that `schema` names, from the still encoded parts of the path. */
export function decodePath(schema: Schema, raw: ReadonlyMap<string, string>, styles: Styles = {}): object {
  const decoded = bare();
  for (const [name, member] of shapeOf(schema).properties) {
    const text = raw.get(name);
    if (text !== undefined)
      setOwn(decoded, name, decodeDelimited(name, member, styleOf(styles, name, SIMPLE), text, percentDecode));
  }
  return decoded;
}

/** The headers that `schema` names, whatever their case. */
export function decodeHeaders(
  schema: Schema,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  styles: Styles = {},
): object {
  const decoded = bare();
  for (const [name, member] of shapeOf(schema).properties) {
    const sent = headers[name.toLowerCase()];
    const text = typeof sent === 'string' ? sent : sent?.join(', ');
    if (text !== undefined)
      setOwn(
        decoded,
        name,
        decodeDelimited(name, member, styleOf(styles, name, SIMPLE), text, (part) => part.trim()),
      );
  }
  return decoded;
}

/** The cookies that `schema` names. */
export function decodeCookies(schema: Schema, header: string | undefined, styles: Styles = {}): object {
  const cookies = parseCookies(header);
  const decoded = bare();
  for (const [name, member] of shapeOf(schema).properties) {
    const text = cookies.get(name);
    if (text !== undefined)
      setOwn(
        decoded,
        name,
        decodeDelimited(name, member, { ...styleOf(styles, name, FORM), explode: false }, text, cookieDecode),
      );
  }
  return decoded;
}

/** Cookie values by name; of several with one name the first counts, as browsers send the most exact path first. */
export function parseCookies(header: string | undefined): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const part of header?.split(';') ?? []) {
    const equals = part.indexOf('=');
    const name = part.slice(0, equals).trim();
    if (equals > 0 && !cookies.has(name))
      cookies.set(
        name,
        part
          .slice(equals + 1)
          .trim()
          .replace(/^"(.*)"$/, '$1'),
      );
  }
  return cookies;
}

/** Cookie values need not be percent-encoded, so a lone % is no mistake. */
export function cookieDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function decodeDelimited(
  name: string,
  schema: Schema,
  style: Style,
  raw: string,
  decode: (text: string) => string,
): unknown {
  if (style.content === 'json') return parseJson(name, decode(raw));
  const shape = shapeOf(schema);
  const isList = takesArray(shape) || takesObject(shape);
  if (style.style === 'matrix') return decodeMatrix(name, schema, style, raw, decode, isList);
  const text = style.style === 'label' ? raw.replace(/^\./, '') : raw;
  if (!isList) return decodeText(schema, decode(text));
  const parts = split(text, style.style === 'label' && style.explode ? '.' : ',', decode);
  return takesObject(shape) && style.explode ? fromAssignments(schema, parts) : fromParts(schema, parts);
}

/** `;id=5`, `;id=1,2`, exploded `;id=1;id=2`, and for objects `;a=1;b=2`. */
function decodeMatrix(
  name: string,
  schema: Schema,
  style: Style,
  raw: string,
  decode: (text: string) => string,
  isList: boolean,
): unknown {
  const assignments = raw.replace(/^;/, '').split(';');
  const values = assignments.map((part) => (part.startsWith(`${name}=`) ? part.slice(name.length + 1) : part));
  if (!isList) return decodeText(schema, decode(values.join(';')));
  if (!style.explode) return fromParts(schema, split(values.join(';'), ',', decode));
  return takesObject(shapeOf(schema))
    ? fromAssignments(schema, assignments.map(decode))
    : fromParts(schema, values.map(decode));
}

/** An object from `a=1`, `b=2`. */
function fromAssignments(schema: Schema, parts: readonly string[]): object {
  const members = {};
  for (const part of parts) {
    const equals = part.indexOf('=');
    setMember(members, schema, equals < 0 ? part : part.slice(0, equals), equals < 0 ? '' : part.slice(equals + 1));
  }
  return members;
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw badRequest(`parameter ${name} is not valid JSON`, cause);
  }
}
