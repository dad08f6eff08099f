// The routes on Fastify 5, by its own router.
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify';
import { pathEntries, routeFor, segmentsOf, type PathEntry, type Piece } from './routing.ts';
import { failed, notFound as nothingHere, refuseMethod, requestIdOf, respond, type Answer, type Incoming, type Route, type ServerOptions, type Service } from './runtime.ts';

/** Adds the routes to an app, in a context of their own: the app's body parsers and error handlers stay as they are. */
export function mount<Principal>(app: FastifyInstance, routes: readonly Route<Principal>[], serving: Service<Principal>): void {
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    for (const [url, entries] of byUrl(pathEntries(routes))) {
      const serve = handlerOf(entries, serving, scope.prefix);
      const declared = new Set<string>(entries.flatMap((entry) => entry.allowed));
      const errorHandler = (error: FastifyError, request: FastifyRequest, reply: FastifyReply): unknown => {
        // a malformed or missing Content-Type is ours to judge, after the credentials
        if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE' || error.code === 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE') return serve.call(scope, request, reply);
        throw error;
      };
      const shared = { url, exposeHeadRoute: false, handler: serve, errorHandler };
      scope.route({ ...shared, method: [...declared] });
      scope.route({ ...shared, method: scope.supportedMethods.filter((method) => !declared.has(method)) });
    }
  });
}

type Respond = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

/** The handler of `setNotFoundHandler`: paths that nobody knows. */
export function notFound(options: ServerOptions = {}): Respond {
  return async (request, reply) => send(reply, failed(nothingHere(), requestIdOf(request.raw), options));
}

/** The handler of `setErrorHandler` and `frameworkErrors`: what hooks threw, and addresses that Fastify itself refuses. */
export function errorHandler(options: ServerOptions = {}): (error: unknown, request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> {
  return async (error, request, reply) => {
    // Fastify reads the body even of a path that nobody knows
    const unread = request.is404 && error instanceof Error && 'code' in error && String(error.code).startsWith('FST_ERR_CTP');
    return await send(reply, failed(unread ? nothingHere() : error, requestIdOf(request.raw), options));
  };
}

function handlerOf<Principal>(entries: readonly PathEntry<Principal>[], serving: Service<Principal>, prefix: string): RouteHandlerMethod {
  return async (request, reply) => {
    const asked = incoming(request, prefix);
    const entry = entries.find(({ matcher }) => matcher.test(asked.path));
    if (entry === undefined) return reply.callNotFound();
    const route = routeFor(entry, request.method);
    return await send(reply, route === undefined ? refuseMethod(entry, request.raw, serving) : await respond(route, entry, asked, serving));
  };
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
  const parts = pieces.flatMap((piece) => ('parameter' in piece ? [PARAMETER] : piece.literal.split(/(\*)/).map((part) => (part === '*' ? STAR : part.replaceAll(':', '::')))));
  return { url: parts.join(''), shape: parts.map((part) => (part === PARAMETER || part === STAR ? ':()' : part)).join('') };
}

const PARAMETER = ':p(^[^/]+)';
const STAR = ':p(^\\*)';
