import { buildApp } from './app.ts';

const port = Number(process.env['PORT'] ?? 3000);
const server = buildApp().listen(port);
server.once('listening', () => console.log(`listening on http://localhost:${port}`));
server.once('error', (error) => {
  console.error(error);
  process.exitCode = 1;
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    // requests under way are answered, idle connections closed
    server.close();
    server.closeIdleConnections();
  });
}
