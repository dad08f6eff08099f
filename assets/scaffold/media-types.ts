// Content-Type and Accept (RFC 9110, 8.3 and 12.5.1).

export interface MediaType {
  /** "application/json", lower case. */
  readonly name: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+$/;

/** The media type that a header names; undefined when it is malformed. */
export function parseMediaType(header: string): MediaType | undefined {
  const [name = '', ...rest] = splitOutsideQuotes(header, ';').map((part) => part.trim());
  if (!TOKEN.test(name)) return undefined;
  const parameters = new Map<string, string>();
  for (const part of rest) {
    const [key, value] = [
      part.slice(0, part.indexOf('=')).trim().toLowerCase(),
      part.slice(part.indexOf('=') + 1).trim(),
    ];
    if (key !== '' && !parameters.has(key))
      parameters.set(key, value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value);
  }
  return { name: name.toLowerCase(), parameters };
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  if (!text.includes('"')) return text.split(separator);
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (quoted && character === '\\') index += 1;
    else if (character === '"') quoted = !quoted;
    else if (character === separator && !quoted) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

/** How exactly a range ("text/*") covers a concrete type: 0 not at all, 1 by "*" "/" "*", 2 by its main type, 3 by name. */
export function coverage(range: string, type: string): number {
  if (range === type) return 3;
  if (range === '*/*' || range === '*') return 1;
  return range.endsWith('/*') && type.startsWith(range.slice(0, -1)) ? 2 : 0;
}

/** The declared range or type that covers `type` most exactly. */
export function mostSpecific(declared: readonly string[], type: string): string | undefined {
  let [best, rank] = [undefined as string | undefined, 0];
  for (const range of declared) {
    const covers = coverage(range, type);
    if (covers > rank) [best, rank] = [range, covers];
  }
  return best;
}

/** The offered types that an Accept header allows, the best liked first; a missing or malformed header allows all. */
export function acceptable(accept: string | undefined, offered: readonly string[]): string[] {
  const ranges = parseAccept(accept);
  if (ranges.length === 0) return [...offered];
  const liked = offered.map((type) => ({ type, quality: quality(ranges, type) })).filter((offer) => offer.quality > 0);
  return liked.sort((one, other) => other.quality - one.quality).map((offer) => offer.type);
}

interface AcceptRange {
  readonly range: string;
  readonly quality: number;
}

function parseAccept(accept: string | undefined): AcceptRange[] {
  if (accept === undefined || accept.trim() === '') return [];
  return splitOutsideQuotes(accept, ',').flatMap((part) => {
    const media = parseMediaType(part.trim() === '*' ? '*/*' : part);
    if (media === undefined) return [];
    const weight = Number(media.parameters.get('q') ?? '1');
    return [{ range: media.name, quality: weight >= 0 && weight <= 1 ? weight : 1 }];
  });
}

/** The weight of the range that covers the type most exactly. An offered range ("image/*") is liked when anything inside it is. */
function quality(ranges: readonly AcceptRange[], offered: string): number {
  let [rank, weight] = [0, 0];
  for (const { range, quality: own } of ranges) {
    const covers = Math.max(coverage(range, offered), offered.includes('*') ? coverage(offered, range) : 0);
    if (covers > rank || (covers === rank && covers > 0 && own > weight)) [rank, weight] = [covers, own];
  }
  return weight;
}
