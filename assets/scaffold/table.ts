// Rows of tables: the statements that read and change one, made from the descriptions in tables.ts. Names are quoted, values are always parameters.
import { pool, refusal, run, transaction, type Cells, type Change, type Refusing, type Session } from './database.ts';
import { HttpError, notFound } from './http-error.ts';
import { entries, type Codec } from './values.ts';

export type Name = readonly [schema: string, relation: string];

/** A table or view. Row is what the API shows of it. */
export interface Table<Row> extends Refusing {
  readonly name: Name;
  /** Its part of the address, for Location. */
  readonly path: string;
  readonly columns: { readonly [Name in keyof Row & string]: Codec } & Readonly<Record<string, Codec>>;
  /** The columns that address a row; none where there is no key. */
  readonly key: readonly string[];
  /** Columns that are never read. */
  readonly hidden?: readonly string[];
  /** Columns that PUT sets: to their default where the body says nothing. */
  readonly replaced?: readonly string[];
  /** Columns that an index sorts by; nullable are those of them that may be null. */
  readonly sort?: readonly string[];
  readonly nullable?: readonly string[];
  /** How pages are cut where there is no key: by the place of rows on disk, or by counting rows in the order of these columns. */
  readonly pages?: 'ctid' | readonly string[];
  /** What tells whether a row has changed: a counter, or a time. onCreate: it has no default; required: changes need If-Match. */
  readonly version?: {
    readonly column: string;
    readonly next: 'counter' | 'clock';
    readonly onCreate?: boolean;
    readonly required?: boolean;
  };
  /** Rows of tables that inherit from this one belong to it too, so that a key may stand for several. */
  readonly parent?: boolean;
}

/** Any table; what its rows look like does not matter. */
export type AnyTable = Table<object>;

export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;
export const relation = (name: Name): string => name.map(identifier).join('.');
/** A column of the table that a statement is about: its alias is always t. */
export const column = (name: string): string => `t.${identifier(name)}`;

export function codecOf(table: AnyTable, name: string): Codec {
  const codec = Object.hasOwn(table.columns, name) ? table.columns[name] : undefined;
  if (codec === undefined) throw new Error(`${relation(table.name)} has no column ${name}`);
  return codec;
}

export const shown = (table: AnyTable): string[] =>
  Object.keys(table.columns).filter((name) => table.hidden?.includes(name) !== true);

/** What is selected of a row. */
export const selection = (table: AnyTable): string =>
  shown(table)
    .map((name) => {
      const { through } = codecOf(table, name);
      return through === undefined ? column(name) : `${column(name)}::${through[0]}`;
    })
    .join(', ');

/** The parameters of one statement. */
export class Values {
  readonly list: (string | null)[] = [];

  /** The place of a value that is PostgreSQL's text already. */
  raw(codec: Codec, text: string | null): string {
    const place = `$${this.list.push(text)}`;
    return codec.through === undefined ? place : `${place}::${codec.through.join('::')}`;
  }

  /** The place of a column's value as the API has it. */
  of(table: AnyTable, name: string, value: unknown): string {
    const codec = codecOf(table, name);
    const missing = value === undefined || (value === null && codec.holdsNull !== true);
    return this.raw(codec, missing ? null : codec.write(value));
  }
}

export function rowOf<Row>(table: Table<Row>, cells: Cells): Row {
  const members = shown(table).map((name, index) => {
    const cell = cells[index] ?? null;
    return [name, cell === null ? null : codecOf(table, name).read(cell)] as const;
  });
  // the columns of tables.ts are those of the document, from which Row is made
  return Object.fromEntries(members) as Row;
}

export const keyCondition = (table: AnyTable, key: ReadonlyMap<string, unknown>, values: Values): string =>
  table.key.map((name) => `${column(name)} = ${values.of(table, name, key.get(name))}`).join(' AND ');

/** Does the work and turns the database's refusals into answers. */
export async function refusing<Result>(table: Refusing, change: Change, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (thrown) {
    throw refusal(thrown, table, change);
  }
}

/** The row of a key; 404 when there is none. */
export async function getRow<Row>(table: Table<Row>, key: object, session: Session = pool, lock = ''): Promise<Row> {
  return refusing(table, 'read', async () => {
    const values = new Values();
    const where = keyCondition(table, entries(key), values);
    const text = `SELECT ${selection(table)} FROM ${relation(table.name)} t WHERE ${where}${lock}`;
    return only(table, await run({ text, values: values.list }, session));
  });
}

/** The new row, with what the database has made of it. */
export async function createRow<Row>(table: Table<Row>, body: object, session: Session = pool): Promise<Row> {
  return refusing(table, 'create', async () => {
    const values = new Values();
    const given = [...entries(body)].map(([name, value]) => [identifier(name), values.of(table, name, value)] as const);
    if (table.version?.onCreate === true) given.push([identifier(table.version.column), 'clock_timestamp()']);
    const [names, places] = [given.map(([name]) => name).join(', '), given.map(([, place]) => place).join(', ')];
    const what = given.length === 0 ? 'DEFAULT VALUES' : `(${names}) VALUES (${places})`;
    const text = `INSERT INTO ${relation(table.name)} AS t ${what} RETURNING ${selection(table)}`;
    const [cells] = await run({ text, values: values.list }, session);
    if (cells === undefined) throw new HttpError(409, 'CONFLICT', 'the database did not keep the row');
    return rowOf(table, cells);
  });
}

/** Sets all columns that clients may set: those that the body leaves out to their defaults, hidden ones not at all. */
export async function replaceRow<Row>(
  table: Table<Row>,
  key: object,
  body: object,
  ifMatch?: string,
  session: Session = pool,
): Promise<Row> {
  const given = entries(body);
  const names = (table.replaced ?? []).filter((name) => given.has(name) || table.hidden?.includes(name) !== true);
  return update(
    table,
    key,
    new Map(names.map((name) => [name, given.has(name) ? given.get(name) : DEFAULT])),
    ifMatch,
    session,
  );
}

/** Sets the columns that the body names. */
export async function patchRow<Row>(
  table: Table<Row>,
  key: object,
  body: object,
  ifMatch?: string,
  session: Session = pool,
): Promise<Row> {
  return update(table, key, entries(body), ifMatch, session);
}

export async function deleteRow<Row>(
  table: Table<Row>,
  key: object,
  ifMatch?: string,
  session: Session = pool,
): Promise<void> {
  return changing(table, key, ifMatch, 'delete', session, async (within) => {
    const values = new Values();
    const where = keyCondition(table, entries(key), values);
    const text = `DELETE FROM ${relation(table.name)} t WHERE ${where} RETURNING 1`;
    count(table, await run({ text, values: values.list }, within));
  });
}

const DEFAULT = Symbol('the default of the column');

async function update<Row>(
  table: Table<Row>,
  key: object,
  sets: ReadonlyMap<string, unknown>,
  ifMatch: string | undefined,
  session: Session,
): Promise<Row> {
  return changing(table, key, ifMatch, 'change', session, async (within) => {
    const values = new Values();
    const assigned = [...sets].map(
      ([name, value]) => `${identifier(name)} = ${value === DEFAULT ? 'DEFAULT' : values.of(table, name, value)}`,
    );
    if (table.version !== undefined) {
      const { column: name, next } = table.version;
      assigned.push(`${identifier(name)} = ${next === 'clock' ? 'clock_timestamp()' : `${column(name)} + 1`}`);
    }
    const where = keyCondition(table, entries(key), values);
    const text = `UPDATE ${relation(table.name)} t SET ${assigned.join(', ')} WHERE ${where} RETURNING ${selection(table)}`;
    return only(table, await run({ text, values: values.list }, within));
  });
}

/** Changes one row, in a transaction where it takes more than one statement to be sure that it is the right one. */
async function changing<Row, Result>(
  table: Table<Row>,
  key: object,
  ifMatch: string | undefined,
  change: Change,
  session: Session,
  work: (session: Session) => Promise<Result>,
): Promise<Result> {
  const { version, parent } = table;
  if (version?.required === true && ifMatch === undefined)
    throw new HttpError(428, 'PRECONDITION_REQUIRED', 'send the ETag of the row in If-Match');
  const conditional = version !== undefined && ifMatch !== undefined;
  if (!conditional && parent !== true) return refusing(table, change, () => work(session));
  const checked = async (within: Session): Promise<Result> => {
    if (conditional && !matches(ifMatch, etagOf(table, await getRow(table, key, within, ' FOR UPDATE'))))
      throw new HttpError(412, 'PRECONDITION_FAILED', 'the row was changed meanwhile');
    return work(within);
  };
  return refusing(table, change, () => (session === pool ? transaction(checked) : checked(session)));
}

function count(table: AnyTable, rows: readonly Cells[]): Cells {
  const [cells] = rows;
  if (cells === undefined) throw notFound('there is no such row');
  if (rows.length > 1) throw new HttpError(409, 'CONFLICT', `${rows.length} rows of ${table.name[1]} have this key`);
  return cells;
}

const only = <Row>(table: Table<Row>, rows: readonly Cells[]): Row => rowOf(table, count(table, rows));

/** Stands for a state of a row. */
export function etagOf<Row>(table: Table<Row>, row: Row): string {
  return `"${String(entries(row).get(table.version?.column ?? ''))}"`;
}

/** If-Match (RFC 9110, 13.1.1): weak tags never match. */
const matches = (ifMatch: string, etag: string): boolean =>
  ifMatch.trim() === '*' || ifMatch.split(/ *, *(?=W\/"|")/).includes(etag);

/** Where a new row is, relative to the list that it was posted to. */
export function locationOf<Row>(table: Table<Row>, row: Row): string {
  const values = entries(row);
  return [table.path, ...table.key.map((name) => encodeURIComponent(String(values.get(name))))].join('/');
}
