// Values of PostgreSQL's types: from the text in which it writes them to JSON, and back, without loss.
import { HttpError } from './http-error.ts';

export interface Codec {
  readonly read: (text: string) => unknown;
  readonly write: (value: unknown) => string;
  /** The type whose text is read and written, and the column's own, where the text of that depends on the server. */
  readonly through?: readonly [spoken: string, own: string];
  /** Whether null is a value like others. */
  readonly holdsNull?: boolean;
}

/** Values that fit the API description and that PostgreSQL has no place for. */
export const unprocessable = (message: string, field?: string): HttpError =>
  new HttpError(422, 'UNPROCESSABLE', message, field === undefined ? {} : { details: [{ field, message }] });

const codec = (read: Codec['read'], write: Codec['write'] = plain): Codec => ({ read, write });
const LONE_SURROGATE = /\p{Surrogate}/u;

function plain(value: unknown): string {
  const text = String(value);
  if (LONE_SURROGATE.test(text) || text.includes('\0')) throw unprocessable('text holds what is no character');
  return text;
}

export const text = codec((read) => read);
/** character(n): the blanks at its end mean nothing. */
export const padded = codec((read) => read.replace(/ +$/, ''));
export const boolean = codec((read) => read === 't');
export const integer = codec(Number);
export const float = codec((read) => (/^(?:NaN|-?Infinity)$/.test(read) ? read : Number(read)));
export const real = codec(float.read, (value) => String(typeof value === 'number' ? Math.fround(value) : value));
export const json = codec(
  (read): unknown => JSON.parse(read),
  (value) => JSON.stringify(value),
);
/** json of a column that is never null: what null means is JSON's null. */
export const sureJson: Codec = { ...json, holdsNull: true };
export const money: Codec = { ...text, through: ['numeric', 'money'] };
export const bytea = codec(
  (read) => Buffer.from(read.slice(2), 'hex').toString('base64'),
  (value) => `\\x${Buffer.from(String(value), 'base64').toString('hex')}`,
);

/** bigint as a number: rather no answer than a wrong one. */
export const safeInteger = codec((read) => {
  const value = Number(read);
  if (!Number.isSafeInteger(value))
    throw new Error(`${read} is no number that JavaScript holds exactly: generate with --big-numbers strings`);
  return value;
});

// --- time
const STAMP = /^(\d{4,})-(\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d(?:\.\d+)?))?([+-]\d\d(?::\d\d)?)?(?::\d\d)?( BC)?$/;
const SENT = /^([+-]?\d{4,6})-(\d\d-\d\d)(?:T(\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:\d\d)?)?$/;

/** 0044 BC is year -43. Years that do not fit into four digits are written as ECMAScript writes them. */
function readStamp(read: string): string {
  const [, year = '', day = '', clock, offset, era] = STAMP.exec(read) ?? [];
  if (year === '') return read; // infinity
  const number = era === undefined ? Number(year) : 1 - Number(year);
  const sign = number < 0 ? '-' : '+';
  const written =
    number < 0 || number > 9999 ? sign + String(Math.abs(number)).padStart(6, '0') : String(number).padStart(4, '0');
  const zone = offset === undefined ? '' : /^[+-]00(?::00)?$/.test(offset) ? 'Z' : offset.padEnd(6, ':00');
  return `${written}-${day}${clock === undefined ? '' : `T${clock}`}${zone}`;
}

function writeStamp(value: unknown): string {
  const sent = String(value).toUpperCase();
  const [, year = '', day = '', clock, zone = ''] = SENT.exec(sent) ?? [];
  if (year === '') return String(value); // infinity
  if (zone !== '' && zone !== 'Z') return writeStamp(inUtc(Number(year), day, clock ?? '', zone));
  const number = Number(year);
  const written = String(number <= 0 ? 1 - number : number).padStart(4, '0');
  return `${written}-${day}${clock === undefined ? '' : ` ${clock}`}${zone === 'Z' ? '+00' : ''}${number <= 0 ? ' BC' : ''}`;
}

/** PostgreSQL takes no offset beyond 15:59, RFC 3339 does. */
function inUtc(year: number, day: string, clock: string, zone: string): string {
  const [month = 0, date = 0] = day.split('-').map(Number);
  const [hours = 0, minutes = 0, seconds = 0] = clock.split(':').map((part) => Math.floor(Number(part)));
  const [ahead = 0, more = 0] = zone.slice(1).split(':').map(Number);
  const moment = new Date(0);
  moment.setUTCFullYear(year, month - 1, date);
  moment.setUTCHours(hours, minutes - (zone.startsWith('-') ? -1 : 1) * (ahead * 60 + more), seconds);
  return moment.toISOString().replace(/\.\d+Z$/, `${/\.\d+$/.exec(clock)?.[0] ?? ''}Z`);
}

export const timestamptz = codec(readStamp, writeStamp);
export const timestamp = timestamptz;
export const date = timestamptz;
export const time = text;
export const timetz = codec((read) =>
  read.replace(/([+-]\d\d)(:\d\d)?(?::\d\d)?$/, (_, hours: string, minutes = ':00') => `${hours}${String(minutes)}`),
);
/** Sessions speak ISO 8601 (see database.ts). */
export const interval = text;

// --- values made of values
const quote = (part: string): string => `"${part.replace(/["\\]/g, '\\$&')}"`;

/** The parts between delimiters that stand in no quotes, and for arrays in no braces. */
function split(inner: string, delimiter: string, braces: boolean): string[] {
  const parts: string[] = [];
  let [start, depth, quoted] = [0, 0, false];
  for (let at = 0; at < inner.length; at += 1) {
    const letter = inner[at];
    if (letter === '\\') at += 1;
    else if (letter === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (braces && letter === '{') depth += 1;
    else if (braces && letter === '}') depth -= 1;
    else if (letter === delimiter && depth === 0) {
      parts.push(inner.slice(start, at));
      start = at + 1;
    }
  }
  return [...parts, inner.slice(start)];
}

const unquoted = (part: string): string =>
  part.startsWith('"') ? part.slice(1, -1).replace(/\\(.)|""/gs, (_, letter = '"') => String(letter)) : part;

export function array(item: Codec, delimiter = ','): Codec {
  const read = (given: string): unknown[] => {
    const inner = given.slice(given.indexOf('{') + 1, -1);
    if (inner === '') return [];
    return split(inner, delimiter, true).map((part) =>
      part === 'NULL' ? null : part.startsWith('{') ? read(part) : item.read(unquoted(part)),
    );
  };
  const write = (value: unknown): string =>
    `{${[value]
      .flat()
      .map((one) => (one === null ? 'NULL' : Array.isArray(one) && item !== json ? write(one) : quote(item.write(one))))
      .join(delimiter)}}`;
  const [spoken, own] = item.through ?? [];
  return { read, write, ...(own === undefined ? {} : { through: [`${spoken}[]`, `${own}[]`] }) };
}

/** A row type: its members in order. */
export function composite(members: readonly (readonly [name: string, codec: Codec])[]): Codec {
  return codec(
    (read) => {
      const parts = split(read.slice(1, -1), ',', false);
      return Object.fromEntries(
        members.map(([name, member], index) => [
          name,
          parts[index] === '' ? null : member.read(unquoted(parts[index] ?? '')),
        ]),
      );
    },
    (value) => {
      const given = entries(value);
      const written = members.map(([name, member]) => [given.get(name) ?? null, member] as const);
      return `(${written.map(([one, member]) => (one === null ? '' : quote(member.write(one)))).join(',')})`;
    },
  );
}

export function range(bound: Codec): Codec {
  const end = (part: string): unknown => (part === '' ? null : bound.read(unquoted(part)));
  const written = (value: unknown): string => (value === null || value === undefined ? '' : quote(bound.write(value)));
  return codec(
    (read) => {
      if (read === 'empty') return { lower: null, upper: null, bounds: 'empty' };
      const [lower = '', upper = ''] = split(read.slice(1, -1), ',', false);
      return { lower: end(lower), upper: end(upper), bounds: `${read.charAt(0)}${read.at(-1)}` };
    },
    (value) => {
      const given = entries(value);
      const bounds = String(given.get('bounds'));
      return bounds === 'empty'
        ? bounds
        : `${bounds.charAt(0)}${written(given.get('lower'))},${written(given.get('upper'))}${bounds.charAt(1)}`;
    },
  );
}

export function multirange(bound: Codec): Codec {
  const one = range(bound);
  return codec(
    (read) =>
      (read.slice(1, -1).match(/[[(](?:"(?:[^"\\]|\\.|"")*"|[^\])])*[\])]/g) ?? []).map((part) => one.read(part)),
    (value) => `{${[value].flat().map(one.write).join(',')}}`,
  );
}

const PAIR = /"((?:[^"\\]|\\.)*)"=>(?:NULL|"((?:[^"\\]|\\.)*)")/gs;

/** Texts by name. */
export const hstore = codec(
  (read) => {
    const plainly = (part: string): string => part.replace(/\\(.)/gs, '$1');
    return Object.fromEntries(
      [...read.matchAll(PAIR)].map(([, name = '', held]) => [plainly(name), held === undefined ? null : plainly(held)]),
    );
  },
  (value) =>
    [...entries(value)]
      .map(([name, held]) => `${quote(plain(name))}=>${held === null ? 'NULL' : quote(plain(held))}`)
      .join(','),
);

/** The own properties of an object, whatever they are called. */
export const entries = (value: unknown): Map<string, unknown> => new Map(Object.entries(Object(value)));
