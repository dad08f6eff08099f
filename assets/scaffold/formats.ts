/** The string formats of JSON Schema 2020-12 and OpenAPI. Every checker takes time linear in the length of the text. */
import { domainToASCII, domainToUnicode } from 'node:url';
import * as z from 'zod';

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const TIME = /^(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:z|([+-])(\d\d):(\d\d))$/i;
const DURATION_TIME = 'T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S)';
const DURATION = new RegExp(`^P(?:\\d+W|(?:\\d+Y(?:\\d+M(?:\\d+D)?)?|\\d+M(?:\\d+D)?|\\d+D)(?:${DURATION_TIME})?|${DURATION_TIME})$`);

/** A day of the calendar as RFC 3339 writes it: 2026-01-31. */
export function isDate(text: string): boolean {
  const match = DATE.exec(text);
  if (!match) return false;
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number];
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
  return month >= 1 && month <= 12 && day >= 1 && day <= days;
}

/** A time with its offset: 10:20:30Z. The second 60 is only valid where UTC can have a leap second. */
export function isTime(text: string): boolean {
  const match = TIME.exec(text);
  if (!match) return false;
  const [hour, minute, second] = match.slice(1, 4).map(Number) as [number, number, number];
  const [offsetHour, offsetMinute] = [Number(match[5] ?? 0), Number(match[6] ?? 0)];
  if (hour > 23 || minute > 59 || second > 60 || offsetHour > 23 || offsetMinute > 59) return false;
  const offset = (offsetHour * 60 + offsetMinute) * (match[4] === '-' ? -1 : 1);
  return second < 60 || (hour * 60 + minute - offset + 2880) % 1440 === 1439;
}

export function isDateTime(text: string): boolean {
  return (text[10] === 'T' || text[10] === 't') && isDate(text.slice(0, 10)) && isTime(text.slice(11));
}

/** An ISO 8601 duration as in appendix A of RFC 3339: P3DT4H, P4W. */
export function isDuration(text: string): boolean {
  return DURATION.test(text);
}

export function isIpv4(text: string): boolean {
  return /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.|$)){4}$/.test(text) && !text.endsWith('.');
}

/** An address as in RFC 4291, without a zone. */
export function isIpv6(text: string): boolean {
  const halves = text.split('::', 3);
  if (text.length > 45 || halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  const last = groups.at(-1);
  const embedded = last?.includes('.') === true && !text.endsWith('::') && isIpv4(last);
  const plain = embedded ? groups.slice(0, -1) : groups;
  const size = groups.length + (embedded ? 1 : 0);
  return plain.every((group) => /^[0-9a-f]{1,4}$/i.test(group)) && (halves.length === 2 ? size <= 7 : size === 8);
}

const VIRAMA = /^[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u0e3a\u0eba\u0f84\u1039\u103a\u1714\u1734\u17d2\u1a60\u1b44\u1baa\u1bab\u1bf2\u1bf3\u2d7f\ua806\ua8c4\ua953\ua9c0\uaaf6\uabed]$/;
// exceptions of RFC 5892, section 2.6
const DISALLOWED = /[\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b]/;
const EXCEPTIONS = '\u00df\u03c2\u06fd\u06fe\u0f0b\u3007\u00b7\u0375\u05f3\u05f4\u30fb\u200c\u200d';
const LABEL = new RegExp(`^[-0-9\\p{Ll}\\p{Lm}\\p{Lo}\\p{Mn}\\p{Mc}\\p{Nd}${EXCEPTIONS}]+$`, 'u');

/** Whether the characters that need a certain neighbour have it (RFC 5892, appendix A). */
function hasContext(label: string): boolean {
  const letters = [...label];
  const around = (index: number, before: RegExp | null, after: RegExp | null): boolean =>
    (!before || before.test(letters[index - 1] ?? '')) && (!after || after.test(letters[index + 1] ?? ''));
  if (/[\u0660-\u0669]/.test(label) && /[\u06f0-\u06f9]/.test(label)) return false;
  return letters.every((letter, index) => {
    if (letter === '\u00b7') return around(index, /^l$/, /^l$/);
    if (letter === '\u0375') return around(index, null, /^\p{Script=Greek}$/u);
    if (letter === '\u05f3' || letter === '\u05f4') return around(index, /^\p{Script=Hebrew}$/u, null);
    if (letter === '\u30fb') return /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u.test(label);
    if (letter === '\u200d') return around(index, VIRAMA, null);
    if (letter === '\u200c') return around(index, VIRAMA, null) || around(index, /^[\p{Script=Arabic}\p{Script=Syriac}]$/u, /^[\p{Script=Arabic}\p{Script=Syriac}]$/u);
    return true;
  });
}

/** A label in letters of any script, as IDNA 2008 allows it. */
function isUnicodeLabel(label: string): boolean {
  return label === label.normalize('NFC') && LABEL.test(label) && !DISALLOWED.test(label) && !/^\p{M}|^-|-$|^..--/u.test(label) && hasContext(label);
}

const RIGHT_TO_LEFT = /[\u0590-\u05ff\u0620-\u064a\u066e-\u06d5\u06fa-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const LEFT_TO_RIGHT = /(?![\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}])\p{L}/u;

/** Whether writing directions do not mix inside the labels of a name that holds right-to-left letters (RFC 5893). */
function hasOneDirection(labels: string[]): boolean {
  return !labels.some((label) => RIGHT_TO_LEFT.test(label))
    || labels.every((label) => !/^[-\p{N}]/u.test(label) && !(RIGHT_TO_LEFT.test(label) && LEFT_TO_RIGHT.test(label)) && !(/[0-9\u06f0-\u06f9]/.test(label) && /[\u0660-\u0669]/.test(label)));
}

/** The letters that an ASCII label stands for, itself unless it begins with xn--; null when it is no label. */
function decodedLabel(label: string): string | null {
  if (label.length > 63 || !/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i.test(label)) return null;
  if (label.slice(2, 4) !== '--') return label;
  const decoded = /^xn--/i.test(label) ? domainToUnicode(label.toLowerCase()) : '';
  return /[^\0-\x7f]/.test(decoded) && isUnicodeLabel(decoded) && domainToASCII(decoded) === label.toLowerCase() ? decoded : null;
}

function isDomain(text: string, decode: (label: string) => string | null): boolean {
  if (text.length > 253) return false;
  const labels = text.split('.').map(decode);
  return labels.every((label) => label !== null) && hasOneDirection(labels);
}

export function isHostname(text: string): boolean {
  return isDomain(text, decodedLabel);
}

/** A host name whose labels may be in letters of any script; the full stops of east Asian scripts part them too. */
export function isIdnHostname(text: string): boolean {
  const plain = text.replace(/[\u3002\uff0e\uff61]/g, '.');
  const fits = (label: string): boolean => /[^\0-\x7f]/.test(label) && isUnicodeLabel(label.toLowerCase()) && asciiLength(label) <= 63;
  return isDomain(plain, (label) => (fits(label) ? label : decodedLabel(label))) && asciiLength(plain) <= 253;
}

function asciiLength(domain: string): number {
  return domain.length > 253 ? Infinity : domainToASCII(domain).length || Infinity;
}

function isMailbox(text: string, atom: RegExp, isKnown: (domain: string) => boolean): boolean {
  const at = text.lastIndexOf('@');
  const [local, domain] = [text.slice(0, at), text.slice(at + 1)];
  if (at < 1 || local.length > 64) return false;
  const literal = /^\[(?:IPv6:(.*)|(.*))\]$/i.exec(domain);
  const known = literal ? (literal[1] === undefined ? isIpv4(literal[2] ?? '') : isIpv6(literal[1])) : isKnown(domain);
  return known && (/^"(?:[ !#-[\]-~\u0080-\uffff]|\\[ -~])*"$/.test(local) || local.split('.').every((part) => atom.test(part)));
}

/** A mailbox as in RFC 5321: ada@example.com. */
export function isEmail(text: string): boolean {
  return /^[ -~]*$/.test(text) && isMailbox(text, /^[\w!#$%&'*+/=?^`{|}~-]+$/, isHostname);
}

/** A mailbox that may be in letters of any script (RFC 6531). */
export function isIdnEmail(text: string): boolean {
  return isMailbox(text, /^[\w!#$%&'*+/=?^`{|}~\u0080-\uffff-]+$/, (domain) => isIdnHostname(domain.normalize('NFC')));
}

/** The checks of the parts of a reference (RFC 3986), for the characters that may stand for themselves in them. */
function partChecks(letters: string, privateLetters: string) {
  const part = (more: string): RegExp => new RegExp(`^(?:[\\w.~!$&'()*+,;=${letters}${more}-]|%[0-9A-Fa-f]{2})*$`, 'u');
  return { user: part(':'), name: part(''), path: part(':@/'), query: part(`:@/?${privateLetters}`), fragment: part(':@/?') };
}

const URI = partChecks('', '');
const IRI = partChecks('\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef\u{10000}-\u{efffd}', '\ue000-\uf8ff\u{f0000}-\u{10fffd}');
const REFERENCE = /^(?:([^:/?#]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#([^]*))?$/;

function isAuthority(text: string, parts: typeof URI): boolean {
  const at = text.lastIndexOf('@');
  const match = /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(text.slice(at + 1));
  if (!match || (at >= 0 && !parts.user.test(text.slice(0, at)))) return false;
  const host = match[1] ?? '';
  return host.startsWith('[') ? isIpv6(host.slice(1, -1)) || /^\[v[0-9a-f]+\.[\w.~!$&'()*+,;=:-]+\]$/i.test(host) : parts.name.test(host);
}

function isReference(text: string, parts: typeof URI, absolute: boolean): boolean {
  const match = REFERENCE.exec(text);
  if (!match) return false;
  const [, scheme, authority, path = '', query = '', fragment = ''] = match;
  if (scheme === undefined ? absolute : !/^[a-z][a-z0-9+.-]*$/i.test(scheme)) return false;
  return (authority === undefined ? !path.startsWith('//') : isAuthority(authority, parts)) && parts.path.test(path) && parts.query.test(query) && parts.fragment.test(fragment);
}

export const isUri = (text: string): boolean => isReference(text, URI, true);
export const isUriReference = (text: string): boolean => isReference(text, URI, false);
export const isIri = (text: string): boolean => isReference(text, IRI, true);
export const isIriReference = (text: string): boolean => isReference(text, IRI, false);

const VARIABLE = '(?:\\w|%[0-9A-Fa-f]{2})+(?:\\.(?:\\w|%[0-9A-Fa-f]{2})+)*(?::[1-9]\\d{0,3}|\\*)?';
const EXPRESSION = new RegExp(`^[+#./;?&=,!@|]?${VARIABLE}(?:,${VARIABLE})*$`);
const LITERAL = /^(?:[^\0-\x20"%<>\\^`{|}\x7f-\x9f]|%[0-9A-Fa-f]{2})*$/;

/** A template as in RFC 6570: /users/{id}{?page,size}. */
export function isUriTemplate(text: string): boolean {
  return text.split('{').every((piece, index) => {
    const end = index === 0 ? -1 : piece.indexOf('}');
    return (index === 0 || (end >= 0 && EXPRESSION.test(piece.slice(0, end)))) && LITERAL.test(piece.slice(end + 1));
  });
}

export const isUuid = (text: string): boolean => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
export const isJsonPointer = (text: string): boolean => /^(?:\/(?:[^~/]|~[01])*)*$/.test(text);
export const isRelativeJsonPointer = (text: string): boolean => /^(?:0|[1-9]\d*)(?:#|(?:\/(?:[^~/]|~[01])*)*)$/.test(text);

/** Whether JavaScript can hold the text as a regular expression. The expression is never run. */
export function isRegex(text: string): boolean {
  try {
    return new RegExp(text, 'u') instanceof RegExp;
  } catch {
    return false;
  }
}

export const isByte = (text: string): boolean => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
export const isBase64Url = (text: string): boolean => /^[\w-]*={0,2}$/.test(text) && text.replace(/=+$/, '').length % 4 !== 1;

const KNOWN = {
  'date-time': [isDateTime, 'a date-time such as 2026-01-31T10:20:30Z'],
  date: [isDate, 'a date such as 2026-01-31'],
  time: [isTime, 'a time such as 10:20:30Z'],
  duration: [isDuration, 'a duration such as P3DT4H'],
  email: [isEmail, 'an email address'],
  'idn-email': [isIdnEmail, 'an email address'],
  hostname: [isHostname, 'a host name'],
  'idn-hostname': [isIdnHostname, 'a host name'],
  ipv4: [isIpv4, 'an IPv4 address'],
  ipv6: [isIpv6, 'an IPv6 address'],
  uri: [isUri, 'a URI such as https://example.com/a'],
  'uri-reference': [isUriReference, 'a URI or a relative reference'],
  iri: [isIri, 'an IRI such as https://example.com/a'],
  'iri-reference': [isIriReference, 'an IRI or a relative reference'],
  uuid: [isUuid, 'a UUID'],
  'uri-template': [isUriTemplate, 'a URI template such as /users/{id}'],
  'json-pointer': [isJsonPointer, 'a JSON pointer such as /a/0'],
  'relative-json-pointer': [isRelativeJsonPointer, 'a relative JSON pointer such as 1/a'],
  regex: [isRegex, 'a regular expression'],
  byte: [isByte, 'base64'],
  base64: [isByte, 'base64'],
  base64url: [isBase64Url, 'base64url'],
} satisfies Record<string, [(text: string) => boolean, string]>;

export type FormatName = keyof typeof KNOWN;

export const formats: Record<string, (text: string) => boolean> = Object.fromEntries(Object.entries(KNOWN).map(([name, [check]]) => [name, check]));

/** A check for `z.string().check(format('date-time'))`. */
export function format(name: FormatName): z.core.CheckFn<string> {
  const [holds, description] = KNOWN[name];
  return (payload) => {
    if (!holds(payload.value)) payload.issues.push({ code: 'invalid_format', format: name, input: payload.value, message: `must be ${description}`, continue: true });
  };
}
