// The routes on Koa 3, by @koa/router.
import { METHODS } from 'node:http';
import Router from '@koa/router';
import type Koa from 'koa';
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

/** Adds the routes to an app. Paths that are not theirs go on to what is added later. */
export function mount<Principal>(app: Koa, routes: readonly Route<Principal>[], serving: Service<Principal>): void {
  const router = new Router();
  for (const entry of pathEntries(routes)) {
    const answer = async (context: Koa.Context): Promise<void> => {
      const route = routeFor(entry, context.method);
      send(
        context,
        route === undefined
          ? refuseMethod(entry, context.req, serving)
          : await respond(route, entry, incoming(context), serving),
      );
    };
    router.register(entry.matcher, [...entry.allowed], answer, { pathAsRegExp: true });
    router.register(entry.matcher, METHODS, answer, { pathAsRegExp: true });
  }
  app.use(router.routes());
}

/** The first middleware of an app: gives unknown paths and what other middleware threw the API's error body. */
export function errorHandler(options: ServerOptions = {}): Koa.Middleware {
  return async (context, next) => {
    try {
      await next();
      if (context.status === 404 && context.body === undefined && context.respond !== false)
        send(context, failed(nothingHere(), requestIdOf(context.req), options));
    } catch (thrown) {
      if (context.headerSent) throw thrown;
      send(context, failed(thrown, requestIdOf(context.req), options));
    }
  };
}

function incoming(context: Koa.Context): Incoming {
  return {
    raw: context.req,
    path: context.path,
    query: context.querystring,
    parsed: 'body' in context.request ? context.request.body : undefined,
  };
}

function send(context: Koa.Context, { status, headers, body }: Answer): void {
  context.status = status;
  context.body = body ?? '';
  if (body === undefined) context.remove('Content-Type');
  for (const [name, value] of Object.entries(headers))
    context.set(name, typeof value === 'string' ? value : [...value]);
}
