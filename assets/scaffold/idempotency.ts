// Idempotency-Key: the first answer to a request is kept for a day and given again when the request is repeated. Its table is made by idempotency.sql.
import { createHash } from 'node:crypto';
import { pool, run, transaction, type Session } from './database.ts';
import { HttpError } from './http-error.ts';
import type { Context } from './runtime.ts';
import { refusing, relation } from './table.ts';
import { idempotencyTable } from './tables.ts';

/** What work answers, or what it answered to the same key, caller and body before. Without a key it is simply done. */
export async function once<Reply>(
  { operationId, principal }: Context,
  key: string | undefined,
  body: unknown,
  work: (session: Session) => Promise<Reply>,
): Promise<Reply> {
  if (key === undefined) return work(pool);
  const hash = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');
  const values = [hash([operationId, principal ?? null]), key];
  const [table, fingerprint] = [relation(idempotencyTable), hash(body)];
  return refusing({ constraints: {} }, 'create', () =>
    transaction(async (session) => {
      const text = `DELETE FROM ${table} WHERE scope = $1 AND key = $2 AND made < now() - interval '1 day'`;
      await run({ text, values }, session);
      const claim = `INSERT INTO ${table} (scope, key, fingerprint) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING 1`;
      const [claimed] = await run({ text: claim, values: [...values, fingerprint] }, session);
      if (claimed === undefined) {
        const known = `SELECT fingerprint, reply FROM ${table} WHERE scope = $1 AND key = $2`;
        const [[stored, reply] = []] = await run({ text: known, values }, session);
        if (stored !== fingerprint || typeof reply !== 'string')
          throw new HttpError(422, 'IDEMPOTENCY_KEY_REUSED', 'this Idempotency-Key came with another body before');
        // it was written by the statement below
        return JSON.parse(reply) as Reply;
      }
      const reply = await work(session);
      const keep = `UPDATE ${table} SET reply = $3 WHERE scope = $1 AND key = $2`;
      await run({ text: keep, values: [...values, JSON.stringify(reply)] }, session);
      return reply;
    }),
  );
}
