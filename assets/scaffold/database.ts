// The database that DATABASE_URL names: connections, statements, transactions, and what its refusals mean over HTTP.
import pg from 'pg';
import { HttpError, type FieldProblem } from './http-error.ts';

const setting = (name: string, usual: number): number => {
  const value = Number(process.env[name] ?? usual);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} must be a whole number above 0`);
  return value;
};
const url = process.env['DATABASE_URL'];
if (url === undefined || url === '')
  throw new Error('DATABASE_URL is not set: expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE');

const TIMEOUT_MS = setting('DATABASE_TIMEOUT_MS', 10_000);
// values.ts reads what these settings make PostgreSQL write
const SESSION = `SET DateStyle = 'ISO, YMD'; SET TimeZone = 'UTC'; SET IntervalStyle = 'iso_8601'; SET bytea_output = 'hex'; SET extra_float_digits = 1; SET synchronize_seqscans = off;
  SET statement_timeout = ${TIMEOUT_MS}; SET lock_timeout = ${TIMEOUT_MS}; SET idle_in_transaction_session_timeout = ${2 * TIMEOUT_MS}`;

export const pool = new pg.Pool({
  connectionString: url,
  max: setting('DATABASE_POOL_SIZE', 10),
  connectionTimeoutMillis: TIMEOUT_MS,
  allowExitOnIdle: true,
  application_name: 'api',
  onConnect: async (client) => {
    await client.query(SESSION);
  },
});
// an idle connection that breaks is replaced by the next request
pool.on('error', (error) => console.error('an idle connection to the database broke:', error.message));

/** Where a statement runs: the pool, or the one connection of a transaction. */
export type Session = pg.Pool | pg.PoolClient;

export interface Statement {
  readonly text: string;
  readonly values: readonly (string | null)[];
}

/** A row as PostgreSQL writes it: the text of each column. */
export type Cells = readonly (string | null)[];

const AS_TEXT = { getTypeParser: () => (cell: string | Buffer) => String(cell) };
const AGAIN = new Set(['40001', '40P01']); // serialization failures and deadlocks: the same statement may succeed now
const ATTEMPTS = 3;

/** Runs one statement; alone it is its own transaction. Errors are those of node-postgres. */
export async function run({ text, values }: Statement, session: Session = pool): Promise<Cells[]> {
  const query = { text, values: [...values], rowMode: 'array' as const, types: AS_TEXT };
  const work = async (): Promise<Cells[]> => (await session.query<(string | null)[]>(query)).rows;
  return session === pool ? repeated(work) : work();
}

/** All that work does with the session happens, or nothing of it. Work may run again after a deadlock. */
export async function transaction<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
  return repeated(async () => {
    const client = await pool.connect();
    let broken = false;
    try {
      await client.query('BEGIN');
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (thrown) {
      await client.query('ROLLBACK').catch(() => (broken = true));
      throw thrown;
    } finally {
      client.release(broken);
    }
  });
}

async function repeated<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (thrown) {
      if (attempt === ATTEMPTS || !AGAIN.has(codeOf(thrown))) throw thrown;
    }
  }
}

const codeOf = (thrown: unknown): string => (thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '');

/** What is known about a table when the database refuses a change. constraints: their columns, by name. */
export interface Refusing {
  readonly constraints: Readonly<Record<string, readonly string[]>>;
}

export type Change = 'read' | 'create' | 'change' | 'delete';

/** The answer that a failed statement becomes; what is no refusal stays as it is, and answers 500. */
export function refusal(thrown: unknown, { constraints }: Refusing, change: Change): unknown {
  const code = codeOf(thrown);
  const error = thrown instanceof pg.DatabaseError ? thrown : undefined;
  const name = error?.constraint ?? '';
  const own = Object.hasOwn(constraints, name) ? constraints[name] : undefined;
  const fields = error?.column !== undefined && error.column !== '' ? [error.column] : (own ?? []);
  const answer = (status: number, kind: string, message: string, headers: Record<string, string> = {}): HttpError =>
    new HttpError(status, kind, message, {
      cause: thrown,
      headers,
      details: fields.map((field): FieldProblem => ({ field, message })),
    });
  if (code === '23505' || code === '23P01') return answer(409, 'CONFLICT', 'another row has this value already');
  if (code === '23503' || code === '23001') {
    const referredTo = change === 'delete' || (change === 'change' && own === undefined);
    return answer(409, 'CONFLICT', referredTo ? 'other rows refer to this one' : 'the row that this refers to is not there');
  }
  if (code === '23514') return answer(422, 'UNPROCESSABLE', 'a rule of the database does not allow this value');
  if (code === '23502') return answer(422, 'UNPROCESSABLE', 'a value is missing');
  if (code === '42501') return answer(403, 'FORBIDDEN', 'the database does not allow this');
  if (code.startsWith('22') || code.startsWith('54') || isOfValue(error))
    return answer(422, 'UNPROCESSABLE', 'a value is none that the database can hold');
  if (code === '55000') return answer(404, 'NOT_FOUND', 'nobody has filled this view yet');
  if (code === 'P0001' || code === '0A000' || code.startsWith('44') || code.startsWith('23'))
    return answer(422, 'UNPROCESSABLE', 'a rule of the database does not allow this');
  if (UNAVAILABLE.test(code) || (code === '' && /timeout|terminated/i.test(String(thrown))))
    return answer(503, 'UNAVAILABLE', 'the database does not answer in time', { 'Retry-After': '1' });
  return thrown;
}

/** The types of extensions say syntax error, or internal error, of a value: then the place is told of a parameter. */
const isOfValue = (error: pg.DatabaseError | undefined): boolean =>
  (error?.code === '42601' && error.routine !== 'scanner_yyerror') ||
  (error?.code === 'XX000' && /\$\d/.test(error.where ?? ''));

/** Timeouts, deadlocks that stay, lost and refused connections, servers that are starting or full. */
const UNAVAILABLE =
  /^(?:57014|55P03|40001|40P01|08...|57P0[1-3]|25P03|53...|ECONN\w+|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|ENOENT)$/;
