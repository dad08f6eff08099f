/** XML bodies by OpenAPI's xml hints: text to plain values for validation, and values to text. No DTDs, no external entities. */
import { readNumber } from './numbers.ts';

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  readonly text: string;
}

/** A function where the shape may refer to itself. */
type Shape = XmlShape | (() => XmlShape);

/** How a value is written. `name` is that of its element or attribute where it is not the member's own. */
export interface XmlShape {
  readonly type: 'object' | 'array' | 'string' | 'number' | 'boolean' | 'any';
  readonly nullable?: boolean;
  readonly name?: string;
  readonly prefix?: string;
  readonly namespace?: string;
  readonly attribute?: boolean;
  readonly wrapped?: boolean;
  readonly properties?: Readonly<Record<string, Shape>>;
  /** Members that are always there: an unwrapped array among them is empty when no element stands for it. */
  readonly required?: readonly string[];
  readonly items?: Shape;
}

/** Text that is not well-formed XML; line and column count from 1. */
export class XmlError extends Error {
  readonly line: number;
  readonly column: number;

  constructor(problem: string, text: string, position: number) {
    const before = text.slice(0, position).split('\n');
    const [line, column] = [before.length, (before.at(-1) ?? '').length + 1];
    super(`${problem} (line ${line}, column ${column})`);
    this.name = 'XmlError';
    this.line = line;
    this.column = column;
  }
}

interface Node extends XmlElement {
  readonly children: Node[];
  text: string;
}

const DEPTH_LIMIT = 200;
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const NAME = '[\\p{L}_:][\\p{L}\\p{M}\\p{N}_:.\\u00b7-]*';
const VALUE = `"[^"<]*"|'[^'<]*'`;
const START_TAG = new RegExp(`<(${NAME})((?:\\s+${NAME}\\s*=\\s*(?:${VALUE}))*)\\s*(/?)>`, 'uy');
const END_TAG = new RegExp(`</(${NAME})\\s*>`, 'uy');
const ATTRIBUTE = new RegExp(`(${NAME})\\s*=\\s*(${VALUE})`, 'gu');
const NOT_XML = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;
const PLAIN_NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
// sections that are skipped or taken as they stand: how they begin, how they end
const SECTIONS = [['<!--', '-->'], ['<![CDATA[', ']]>'], ['<?', '?>']] as const;

/** The root element. Throws XmlError. */
export function parseXml(text: string): XmlElement {
  const roots = parseRoots(text);
  if (roots.length !== 1 || !roots[0]) throw new XmlError(roots.length ? 'there is more than one root element' : 'there is no root element', text, text.length);
  return roots[0];
}

function parseRoots(text: string): XmlElement[] {
  const open: Node[] = [newNode('', {})];
  const forbidden = NOT_XML.exec(text);
  if (forbidden) throw new XmlError('this character is not allowed in XML', text, forbidden.index);
  for (let at = 0; at < text.length; ) {
    const parent = open.at(-1) as Node;
    const next = text[at] === '<' ? at : text.indexOf('<', at);
    if (next !== at) {
      addText(parent, text, at, next < 0 ? text.length : next, open.length > 1);
      at = next < 0 ? text.length : next;
      continue;
    }
    at = readSection(parent, text, at, open.length > 1) ?? readTag(open, text, at);
  }
  if (open.length > 1) throw new XmlError(`<${open.at(-1)?.name}> is not closed`, text, text.length);
  return open[0]?.children ?? [];
}

function newNode(name: string, attributes: Record<string, string>): Node {
  return { name, attributes, children: [], text: '' };
}

function addText(parent: Node, text: string, start: number, end: number, inside: boolean): void {
  const piece = text.slice(start, end).replace(start === 0 ? /^\ufeff/ : '', '');
  if (!inside && piece.trim() !== '') throw new XmlError('text stands outside the root element', text, start);
  parent.text += unescaped(piece, text, start);
}

/** The position behind a comment, CDATA section or processing instruction at `at`; undefined when there is none. */
function readSection(parent: Node, text: string, at: number, inside: boolean): number | undefined {
  const section = SECTIONS.find(([opening]) => text.startsWith(opening, at));
  if (!section) return undefined;
  const [opening, closing] = section;
  const end = text.indexOf(closing, at + opening.length);
  if (end < 0) throw new XmlError(`${opening} is not closed`, text, at);
  if (opening === '<![CDATA[') {
    if (!inside) throw new XmlError('text stands outside the root element', text, at);
    parent.text += text.slice(at + opening.length, end);
  }
  return end + closing.length;
}

function readTag(open: Node[], text: string, at: number): number {
  if (text.startsWith('<!', at)) throw new XmlError('document type declarations are not allowed', text, at);
  const pattern = text.startsWith('</', at) ? END_TAG : START_TAG;
  pattern.lastIndex = at;
  const match = pattern.exec(text);
  if (!match) throw new XmlError('this is not a tag', text, at);
  const [whole, name = '', attributes = '', empty] = match;
  if (pattern === END_TAG) {
    if (open.length < 2 || open.pop()?.name !== name) throw new XmlError(`</${name}> closes no element`, text, at);
    return at + whole.length;
  }
  if (open.length > DEPTH_LIMIT) throw new XmlError(`elements are nested deeper than ${DEPTH_LIMIT}`, text, at);
  const node = newNode(name, readAttributes(attributes, text, at));
  open.at(-1)?.children.push(node);
  if (empty === '') open.push(node);
  return at + whole.length;
}

function readAttributes(source: string, text: string, at: number): Record<string, string> {
  const found = new Map<string, string>();
  for (const [, name = '', quoted = ''] of source.matchAll(ATTRIBUTE)) {
    if (found.has(name)) throw new XmlError(`the attribute ${name} stands twice`, text, at);
    found.set(name, unescaped(quoted.slice(1, -1).replace(/[\t\n\r]/g, ' '), text, at));
  }
  return Object.fromEntries(found);
}

function unescaped(piece: string, text: string, at: number): string {
  if (!piece.includes('&')) return piece;
  return piece.replace(/&(?:#(\d{1,7});|#x([0-9a-fA-F]{1,6});|(\w+);)?/g, (whole, decimal?: string, hex?: string, name?: string) => {
    const point = decimal ? Number(decimal) : hex ? Number.parseInt(hex, 16) : undefined;
    const known = point === undefined ? (Object.hasOwn(ENTITIES, name ?? '') ? ENTITIES[name ?? ''] : undefined) : point <= 0x10ffff ? String.fromCodePoint(point) : undefined;
    if (known === undefined || NOT_XML.test(known)) throw new XmlError(`${whole} is not an entity that XML has`, text, at);
    return known;
  });
}

const resolve = (shape: Shape): XmlShape => (typeof shape === 'function' ? shape() : shape);
const localName = (name: string): string => name.slice(name.indexOf(':') + 1);
const isDeclaration = (name: string): boolean => name === 'xmlns' || /^(?:xmlns|xml|xsi):/.test(name);

/** The plain value that an element stands for; what does not fit the shape is kept, so that validation refuses it. */
export function fromXml(element: XmlElement, shape: XmlShape): unknown {
  if (isNil(element, shape)) return null;
  switch (shape.type) {
    case 'object':
      return objectOf(element, shape);
    case 'array':
      return itemsOf(element, shape);
    case 'any':
      return element.children.length || attributesOf(element).length ? objectOf(element, shape) : element.text;
    default:
      return element.children.length ? objectOf(element, { type: 'any' }) : scalarOf(element.text, shape);
  }
}

function isNil(element: XmlElement, shape: XmlShape): boolean {
  if (element.attributes['xsi:nil'] === 'true') return true;
  return shape.nullable === true && shape.type !== 'string' && element.text.trim() === '' && !element.children.length && !attributesOf(element).length;
}

function scalarOf(text: string, shape: XmlShape): unknown {
  const trimmed = text.trim();
  if (shape.type === 'number') return PLAIN_NUMBER.test(trimmed) ? readNumber(trimmed) : text;
  if (shape.type === 'boolean') return trimmed === 'true' ? true : trimmed === 'false' ? false : text;
  return text;
}

const attributesOf = (element: XmlElement): [string, string][] => Object.entries(element.attributes).filter(([name]) => !isDeclaration(name));

/** The items inside a wrapper; whatever else stands there makes it no array. */
function itemsOf(wrapper: XmlElement, shape: XmlShape): unknown {
  const items = resolve(shape.items ?? { type: 'any' });
  const name = items.name ?? shape.name ?? localName(wrapper.name);
  if (wrapper.text.trim() !== '' || wrapper.children.some((child) => localName(child.name) !== name)) return objectOf(wrapper, { type: 'any' });
  return wrapper.children.map((child) => fromXml(child, items));
}

/** The element name of a member: an unwrapped array is known by its items. */
function memberName(member: string, shape: XmlShape): string {
  const own = shape.name ?? member;
  return shape.type === 'array' && !shape.wrapped ? (resolve(shape.items ?? { type: 'any' }).name ?? own) : own;
}

function objectOf(element: XmlElement, shape: XmlShape): unknown {
  const blank = element.text.trim() === '';
  if (!blank && !element.children.length && !attributesOf(element).length) return element.text;
  const members = new Map<string, unknown>();
  const known = Object.entries(shape.properties ?? {}).map(([member, inner]) => ({ member, inner: resolve(inner) }));
  const attributes = new Map(known.filter(({ inner }) => inner.attribute).map((entry) => [entry.inner.name ?? entry.member, entry]));
  const elements = new Map(known.filter(({ inner }) => !inner.attribute).map((entry) => [memberName(entry.member, entry.inner), entry]));
  for (const [name, text] of attributesOf(element)) {
    const entry = attributes.get(localName(name));
    members.set(entry?.member ?? name, entry ? scalarOf(text, entry.inner) : text);
  }
  for (const [name, children] of grouped(element.children)) {
    const entry = elements.get(name);
    members.set(entry?.member ?? name, memberOf(children, entry?.inner ?? { type: 'any' }));
  }
  for (const member of shape.required ?? []) {
    const inner = shape.properties?.[member];
    if (inner && !members.has(member) && resolve(inner).type === 'array' && !resolve(inner).wrapped) members.set(member, []);
  }
  if (!blank) members.set('#text', element.text);
  return Object.fromEntries(members);
}

function grouped(children: readonly XmlElement[]): Map<string, XmlElement[]> {
  const found = new Map<string, XmlElement[]>();
  for (const child of children) {
    const name = localName(child.name);
    const same = found.get(name);
    if (same) same.push(child);
    else found.set(name, [child]);
  }
  return found;
}

function memberOf(children: readonly XmlElement[], shape: XmlShape): unknown {
  if (shape.type === 'array' && !shape.wrapped) return children.map((child) => fromXml(child, resolve(shape.items ?? { type: 'any' })));
  const values = children.map((child) => fromXml(child, shape));
  return values.length === 1 ? values[0] : values;
}

const escapeText = (text: string): string =>
  text.replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd').replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`);

/** An element name that XML allows, for names of properties that it does not. */
function safeName(name: string): string {
  const plain = name.replace(/[^\p{L}\p{N}_.-]/gu, '_');
  return /^[\p{L}_]/u.test(plain) ? plain : `_${plain}`;
}

const qualified = (name: string, shape: XmlShape): string => `${shape.prefix ? `${safeName(shape.prefix)}:` : ''}${safeName(name)}`;
const declaration = (shape: XmlShape): string => (shape.namespace === undefined ? '' : ` xmlns${shape.prefix ? `:${safeName(shape.prefix)}` : ''}="${escapeText(shape.namespace)}"`);

/** An XML document for a value. `root` names its element where the shape does not. */
export function toXml(value: unknown, shape: XmlShape, root = 'data'): string {
  const whole = shape.type === 'array' ? { ...shape, wrapped: true } : shape;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${written(value, whole, shape.name ?? root)}`;
}

function written(value: unknown, shape: XmlShape, name: string): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return writtenArray(value, shape, name);
  const tag = qualified(name, shape);
  const start = tag + declaration(shape);
  if (value === null) return `<${start} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>`;
  if (typeof value !== 'object' || value instanceof Date) return `<${start}>${escapeText(value instanceof Date ? value.toISOString() : String(value))}</${tag}>`;
  const members = Object.entries(value).map(([member, inner]) => ({ member, inner: inner as unknown, shape: resolve(shape.properties?.[member] ?? { type: 'any' }) }));
  const attributes = members.filter((entry) => entry.shape.attribute && entry.inner !== undefined && entry.inner !== null);
  const elements = members.filter((entry) => !entry.shape.attribute);
  const attributeTexts = attributes.map((entry) => `${declaration(entry.shape)} ${qualified(entry.shape.name ?? entry.member, entry.shape)}="${escapeText(String(entry.inner))}"`);
  return `<${start}${attributeTexts.join('')}>${elements.map((entry) => written(entry.inner, entry.shape, entry.shape.name ?? entry.member)).join('')}</${tag}>`;
}

function writtenArray(value: readonly unknown[], shape: XmlShape, name: string): string {
  const items = resolve(shape.items ?? { type: 'any' });
  const inside = value.map((item) => written(item, items, items.name ?? name)).join('');
  const tag = qualified(name, shape);
  return shape.wrapped ? `<${tag}${declaration(shape)}>${inside}</${tag}>` : inside;
}

/** What routes need to read and write one content type. */
export function xmlCodec(shape: XmlShape, root = 'data'): { parse: (text: string) => unknown; write: (value: unknown) => string } {
  return { parse: (text) => parseValue(text, shape, root), write: (value) => toXml(value, shape, root) };
}

/** The value of a document. An array without a wrapper may also come as a row of elements, one for each item. */
function parseValue(text: string, shape: XmlShape, root: string): unknown {
  if (shape.type !== 'array' || shape.wrapped) return fromXml(parseXml(text), shape);
  const items = resolve(shape.items ?? { type: 'any' });
  const itemName = items.name ?? shape.name ?? root;
  const roots = parseRoots(text);
  const [first] = roots;
  const wrapped = roots.length === 1 && first && (localName(first.name) !== itemName || first.children.some((child) => localName(child.name) === itemName));
  if (wrapped) return itemsOf(first, { ...shape, name: itemName });
  return roots.map((item) => fromXml(item, items));
}
