// Path templates: what they match in the raw request path, which come first, and which routes share one.
import type { Method, Route } from './runtime.ts';

/** All routes of one path template, whatever they call its parameters. */
export interface PathEntry<Principal> {
  readonly template: string;
  /** Matches the undecoded path; one group per parameter. */
  readonly pattern: RegExp;
  /** The same without groups, for the framework's router: it would decode what groups hold, and we do that ourselves. */
  readonly matcher: RegExp;
  readonly routes: ReadonlyMap<Method, Route<Principal>>;
  /** The methods for the Allow header; HEAD comes with GET. */
  readonly allowed: readonly Method[];
}

/** A piece of a path segment: literal text, or a parameter by its name. */
export type Piece = { readonly literal: string } | { readonly parameter: string };

const PARAMETER = /\{([^{}/]+)\}/;

/** The segments of a template, each as its pieces. */
export function segmentsOf(template: string): Piece[][] {
  return template
    .slice(1)
    .split('/')
    .map((segment) => {
      const parts = segment.split(PARAMETER);
      return parts.flatMap((part, index): Piece[] =>
        index % 2 === 1 ? [{ parameter: part }] : part === '' ? [] : [{ literal: decoded(part) }],
      );
    });
}

/** Documents may write literal text percent-encoded. */
function decoded(literal: string): string {
  try {
    return decodeURIComponent(literal);
  } catch {
    return literal;
  }
}

export const parameterNames = (template: string): string[] =>
  segmentsOf(template).flatMap((pieces) => pieces.flatMap((piece) => ('parameter' in piece ? [piece.parameter] : [])));

/** The entries of all routes, the most specific first. */
export function pathEntries<Principal>(routes: readonly Route<Principal>[]): PathEntry<Principal>[] {
  const groups = new Map<string, Map<Method, Route<Principal>>>();
  for (const route of routes) {
    const key = route.path.replace(new RegExp(PARAMETER, 'g'), '{}');
    const group = groups.get(key) ?? new Map<Method, Route<Principal>>();
    groups.set(key, group);
    if (!group.has(route.method)) group.set(route.method, route);
  }
  const entries = [...groups.values()].flatMap((group) => {
    const [first] = group.values();
    if (first === undefined) return [];
    const pattern = pathPattern(first.path);
    const matcher = new RegExp(pattern.source.replaceAll('([^/]+)', '[^/]+').replaceAll('((?:(?!', '(?:(?:(?!'));
    return [{ template: first.path, pattern, matcher, routes: group, allowed: allowedMethods([...group.keys()]) }];
  });
  const ranks = new Map(entries.map((entry) => [entry, rank(entry.template)]));
  return entries.sort((one, other) => compare(ranks.get(one) ?? [], ranks.get(other) ?? []));
}

const allowedMethods = (declared: readonly Method[]): Method[] => [
  ...new Set(declared.flatMap((method): Method[] => (method === 'GET' ? ['GET', 'HEAD'] : [method]))),
];

/** The route for a method; HEAD is answered by GET where it is not declared. */
export function routeFor<Principal>({ routes }: PathEntry<Principal>, method: string): Route<Principal> | undefined {
  return routes.get(method as Method) ?? (method === 'HEAD' ? routes.get('GET') : undefined);
}

/** Literal text before parameters, longer literals before shorter ones. */
function rank(template: string): number[] {
  return segmentsOf(template).map((pieces) => {
    const literals = pieces.reduce((sum, piece) => sum + ('literal' in piece ? piece.literal.length : 0), 0);
    return pieces.every((piece) => 'literal' in piece) ? -Infinity : -literals;
  });
}

function compare(one: readonly number[], other: readonly number[]): number {
  for (const [index, value] of one.entries()) {
    const against = other[index] ?? 0;
    if (value !== against) return value < against ? -1 : 1;
  }
  return one.length - other.length;
}

/** The undecoded path of a template as a regular expression. A parameter never holds the literal that parts it from the one before it, so matching stays linear. */
export function pathPattern(template: string): RegExp {
  const segments = segmentsOf(template).map((pieces) => {
    let [source, separator, parameters] = ['', '', 0];
    for (const piece of pieces) {
      if ('literal' in piece) {
        separator = literalPattern(piece.literal);
        source += separator;
      } else {
        source += parameters > 0 && separator !== '' ? `((?:(?!${separator})[^/])+)` : '([^/]+)';
        parameters += 1;
      }
    }
    return source;
  });
  return new RegExp(`^/${segments.join('/')}$`);
}

/** Literal text as it may stand in a path: as it is, or percent-encoded. */
export function literalPattern(text: string): string {
  return [...text]
    .map((character) => {
      if (/[A-Za-z0-9]/.test(character)) return character;
      const encoded = [...new TextEncoder().encode(character)].map((byte) => `%${hexPattern(byte)}`).join('');
      return character > '\x7f' ? encoded : `(?:${character.replace(/[$()*+.?[\\\]^{|}]/, '\\$&')}|${encoded})`;
    })
    .join('');
}

const hexPattern = (byte: number): string =>
  byte
    .toString(16)
    .padStart(2, '0')
    .replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
