import express, { type Express } from 'express';
import { errorHandler, notFound, registerRoutes } from './index.ts';

export function buildApp(): Express {
  const app = express();
  app.disable('x-powered-by');
  registerRoutes(app);
  app.use(notFound());
  app.use(errorHandler());
  return app;
}
