import Koa from 'koa';
import { errorHandler, registerRoutes } from './index.ts';

export function buildApp(): Koa {
  const app = new Koa();
  app.use(errorHandler());
  registerRoutes(app);
  return app;
}
