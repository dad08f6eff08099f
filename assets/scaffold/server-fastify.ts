import { buildApp } from './app.ts';

const port = Number(process.env['PORT'] ?? 3000);
const app = buildApp();

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    // requests under way are answered, idle connections closed
    void app.close();
  });
}

await app.listen({ port, host: '0.0.0.0' });
console.log(`listening on http://localhost:${port}`);
