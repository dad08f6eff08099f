import Fastify, { type FastifyInstance } from 'fastify';
import { errorHandler, notFound, registerRoutes } from './index.ts';

export function buildApp(): FastifyInstance {
  // parameters may be as long as Node allows a whole address to be
  const app = Fastify({ frameworkErrors: errorHandler(), routerOptions: { maxParamLength: 16_384 } });
  app.setNotFoundHandler(notFound());
  app.setErrorHandler(errorHandler());
  registerRoutes(app);
  return app;
}
