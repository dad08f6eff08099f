// The routes on Fastify 5, by its own router.
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify';
import { pathEntries, routeFor, segmentsOf, type PathEntry, type Piece } from './routing.ts';
import {
  failed,
  notFound as nothingHere,
  refuseMethod,
  requestIdOf,
  respond,
  type Answer,
  type Incoming,
  type Route,
  type ServerOptions,
  type Service,
} from './runtime.ts';

/** Adds the routes to an app, in a context of their own: the app's body parsers and error handlers stay as they are. */
export function mount<Principal>(
  app: FastifyInstance,
  routes: readonly Route<Principal>[],
  serving: Service<Principal>,
): void {
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    const all = pathEntries(routes);
    served.set(scope.server, [...(served.get(scope.server) ?? []), answererOf(all, serving, scope.prefix)]);
    for (const [url, entries] of byUrl(all)) {
      const answer = answererOf(entries, serving, scope.prefix);
      const serve: RouteHandlerMethod = async (request, reply) =>
        (await answer(request, reply)) ?? reply.callNotFound();
      const declared = new Set<string>(entries.flatMap((entry) => entry.allowed));
      const errorHandler = (error: FastifyError, request: FastifyRequest, reply: FastifyReply): unknown => {
        // a malformed or missing Content-Type is ours to judge, after the credentials
        if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE' || error.code === 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE')
          return serve.call(scope, request, reply);
        throw error;
      };
      const shared = { url, exposeHeadRoute: false, handler: serve, errorHandler };
      scope.route({ ...shared, method: [...declared] });
      scope.route({ ...shared, method: scope.supportedMethods.filter((method) => !declared.has(method)) });
    }
  });
}

type Answerer = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> | undefined;

// by HTTP server, for requests that Fastify's router hands to nobody: with broken escapes, or methods that it does not know
const served = new WeakMap<object, readonly Answerer[]>();

function answerServed(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> | undefined {
  for (const answer of served.get(request.server.server) ?? []) {
    const answered = answer(request, reply);
    if (answered !== undefined) return answered;
  }
  return undefined;
}

/** The handler of `setNotFoundHandler`: paths that nobody knows. */
export function notFound(
  options: ServerOptions = {},
): (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> {
  return async (request, reply) =>
    (await answerServed(request, reply)) ??
    (await send(reply, failed(nothingHere(), requestIdOf(request.raw), options)));
}

/** The handler of `setErrorHandler` and `frameworkErrors`: what hooks threw, and addresses that Fastify itself refuses. */
export function errorHandler(
  options: ServerOptions = {},
): (error: unknown, request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> {
  return async (error, request, reply) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    // of a path that nobody knows Fastify reads the body all the same
    if (request.is404 && code.startsWith('FST_ERR_CTP')) return await notFound(options)(request, reply);
    const answered = code === 'FST_ERR_BAD_URL' ? await answerServed(request, reply) : undefined;
    return answered ?? (await send(reply, failed(error, requestIdOf(request.raw), options)));
  };
}

/** Answers with the entry that the request's path belongs to; undefined when it belongs to none. */
function answererOf<Principal>(
  entries: readonly PathEntry<Principal>[],
  serving: Service<Principal>,
  prefix: string,
): Answerer {
  return (request, reply) => {
    const asked = incoming(request, prefix);
    const entry = entries.find(({ matcher }) => matcher.test(asked.path));
    return entry && answerEntry(entry, asked, serving, reply);
  };
}

async function answerEntry<Principal>(
  entry: PathEntry<Principal>,
  asked: Incoming,
  serving: Service<Principal>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const route = routeFor(entry, asked.raw.method ?? '');
  return await send(
    reply,
    route === undefined ? refuseMethod(entry, asked.raw, serving) : await respond(route, entry, asked, serving),
  );
}

function incoming({ raw, body }: FastifyRequest, prefix: string): Incoming {
  const [path = '', ...query] = (raw.url ?? '').split('?');
  return { raw, path: path.slice(prefix.length), query: query.join('?'), parsed: body };
}

async function send(reply: FastifyReply, { status, headers, body }: Answer): Promise<FastifyReply> {
  reply.code(status);
  for (const [name, value] of Object.entries(headers)) reply.header(name, value);
  return await reply.send(body);
}

/** Entries by the address that Fastify's router knows them by. Two can share one where a literal "*" stands against a parameter. */
function byUrl<Principal>(entries: readonly PathEntry<Principal>[]): Map<string, PathEntry<Principal>[]> {
  const grouped = new Map<string, { url: string; members: PathEntry<Principal>[] }>();
  for (const entry of entries) {
    const segments = segmentsOf(entry.template).map(nativeSegment);
    const shape = segments.map((segment) => segment.shape).join('/');
    const group = grouped.get(shape) ?? { url: `/${segments.map((segment) => segment.url).join('/')}`, members: [] };
    grouped.set(shape, group);
    group.members.push(entry);
  }
  return new Map([...grouped.values()].map(({ url, members }) => [url, members]));
}

/** `{id}` is `:p`; a parameter beside literal text needs an expression of its own, and so does "*", which the router would take for a wildcard. */
function nativeSegment(pieces: readonly Piece[]): { url: string; shape: string } {
  if (pieces.length === 1 && pieces[0] !== undefined && 'parameter' in pieces[0]) return { url: ':p', shape: ':' };
  const parts = pieces.flatMap((piece) =>
    'parameter' in piece
      ? [PARAMETER]
      : piece.literal.split(/(\*)/).map((part) => (part === '*' ? STAR : part.replaceAll(':', '::'))),
  );
  return {
    url: parts.join(''),
    shape: parts.map((part) => (part === PARAMETER || part === STAR ? ':()' : part)).join(''),
  };
}

const PARAMETER = ':p(^[^/]+)';
const STAR = ':p(^\\*)';
