// The routes on Express 5, by its own router.
import { pipeline } from 'node:stream/promises';
import {
  Router,
  type ErrorRequestHandler,
  type IRouter,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import { pathEntries, routeFor } from './routing.ts';
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

/** Adds the routes to an app or router. Paths that are not theirs go on to what is added later. */
export function mount<Principal>(app: IRouter, routes: readonly Route<Principal>[], serving: Service<Principal>): void {
  const router = Router({ caseSensitive: true, strict: true });
  for (const entry of pathEntries(routes)) {
    const answer: RequestHandler = async (request, response) => {
      const route = routeFor(entry, request.method);
      await send(
        response,
        route === undefined
          ? refuseMethod(entry, request, serving)
          : await respond(route, entry, incoming(request), serving),
      );
    };
    const path = router.route(entry.matcher);
    for (const method of entry.routes.keys()) path[METHODS[method]](answer);
    path.all(answer);
  }
  app.use(router);
}

const METHODS = {
  GET: 'get',
  PUT: 'put',
  POST: 'post',
  DELETE: 'delete',
  OPTIONS: 'options',
  HEAD: 'head',
  PATCH: 'patch',
  TRACE: 'trace',
} as const;

/** The last middleware of an app: paths that nobody knows. */
export function notFound(options: ServerOptions = {}): RequestHandler {
  return async (request, response) => send(response, failed(nothingHere(), requestIdOf(request), options));
}

/** The error middleware of an app: what other middleware threw. */
export function errorHandler(options: ServerOptions = {}): ErrorRequestHandler {
  return async (error, request, response, next) =>
    response.headersSent ? next(error) : send(response, failed(error, requestIdOf(request), options));
}

function incoming(request: Request): Incoming {
  const start = request.url.indexOf('?');
  const body: unknown = request.body;
  return { raw: request, path: request.path, query: start < 0 ? '' : request.url.slice(start + 1), parsed: body };
}

async function send(response: Response, { status, headers, body }: Answer): Promise<void> {
  response.status(status);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (body === undefined || Buffer.isBuffer(body)) {
    if (status !== 204 && status !== 304) response.setHeader('Content-Length', body?.length ?? 0);
    response.end(body);
  } else {
    await pipeline(body, response);
  }
}
