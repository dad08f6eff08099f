// Lists of rows. Pages follow one another by the values of the last row, not by counting: they neither skip nor repeat rows while a table changes, and an index finds where they begin.
import { createHash } from 'node:crypto';
import { pool, run, type Cells, type Session, type Statement } from './database.ts';
import { HttpError } from './http-error.ts';
import {
  Values,
  codecOf,
  column,
  getRow,
  identifier,
  keyCondition,
  refusing,
  relation,
  rowOf,
  selection,
  shown,
  type AnyTable,
  type Name,
  type Table,
} from './table.ts';
import { entries } from './values.ts';

export interface Page<Row> {
  items: Row[];
  nextCursor: string | null;
}

/** The rows of `table` that belong to a row of `owner`, by pairs of their columns; through a join table by pairs of its columns with both. */
export interface Related<Row> {
  readonly table: Table<Row>;
  readonly owner: AnyTable;
  readonly pairs: readonly (readonly [column: string, owners: string])[];
  readonly through?: { readonly name: Name; readonly pairs: readonly (readonly [column: string, listed: string])[] };
}

/** A condition for the rows of a list; it adds the parameters that it needs. */
export type Scope = (values: Values) => string;

/** One page. query: limit, cursor, sort and filters as the API description has them. */
export async function listRows<Row>(
  table: Table<Row>,
  query: object,
  scope?: Scope,
  session: Session = pool,
): Promise<Page<Row>> {
  return refusing(table, 'read', async () => {
    const asked = ask(table, query);
    const rows = await run(listStatement(table, asked, scope), session);
    return { items: rows.slice(0, asked.limit).map((cells) => rowOf(table, cells)), nextCursor: nextCursor(table, asked, rows) };
  });
}

/** One page of the rows that belong to another; 404 when that is not there. */
export async function listRelated<Row>(
  related: Related<Row>,
  key: object,
  query: object,
  session: Session = pool,
): Promise<Page<Row>> {
  const page = await listRows(related.table, query, scopeOf(related, entries(key)), session);
  if (page.items.length === 0) await getRow(related.owner, key, session);
  return page;
}

function scopeOf<Row>({ owner, pairs, through }: Related<Row>, key: ReadonlyMap<string, unknown>): Scope {
  return (values) => {
    const wanted = (name: string): string =>
      owner.key.includes(name)
        ? values.of(owner, name, key.get(name))
        : `(SELECT ${column(name)} FROM ${relation(owner.name)} t WHERE ${keyCondition(owner, key, values)})`;
    const place = through === undefined ? 't' : 'j';
    const conditions = pairs.map(([name, owners]) => `${place}.${identifier(name)} = ${wanted(owners)}`);
    if (through === undefined) return conditions.join(' AND ');
    conditions.unshift(...through.pairs.map(([name, listed]) => `j.${identifier(name)} = ${column(listed)}`));
    return `EXISTS (SELECT FROM ${relation(through.name)} j WHERE ${conditions.join(' AND ')})`;
  };
}

/** What a client asks for. order: the columns that rows are sorted by, the last of which tell all rows apart; start: their values in the row before the page. */
export interface Asked {
  readonly limit: number;
  readonly sort: string;
  readonly order: readonly string[];
  readonly descending: boolean;
  readonly start: Cells | undefined;
  readonly filters: ReadonlyMap<string, unknown>;
}

export function ask(table: AnyTable, query: object): Asked {
  const filters = entries(query);
  const [limit, sort, cursor] = ['limit', 'sort', 'cursor'].map((name) => {
    const value = filters.get(name);
    filters.delete(name);
    return value === undefined ? undefined : String(value);
  });
  const [first = ''] = table.key;
  const by = sort ?? first;
  const sortable = [first, ...(table.sort ?? [])];
  const descending = !sortable.includes(by); // the name of a column may begin with a dash
  const name = descending ? by.slice(1) : by;
  if (!sortable.includes(name)) throw new HttpError(422, 'UNPROCESSABLE', `${name} is nothing to sort by`);
  const order = table.key.length > 0 ? [...new Set([name, ...table.key])] : [];
  const start = cursor === undefined ? undefined : readCursor(table, by, cursor);
  return { limit: Number(limit ?? 20), sort: by, order, descending, start, filters };
}

/** The statement for a page and one row more, which tells whether there is another page. */
export function listStatement(table: AnyTable, asked: Asked, scope?: Scope): Statement {
  const values = new Values();
  const given = [...(scope === undefined ? [] : [scope(values)]), ...filterConditions(table, asked.filters, values)];
  const by = ordering(table, asked);
  const limit = ` LIMIT ${asked.limit + 1}`;
  const place = table.pages === 'ctid' ? ', t.ctid' : '';
  const parts = startConditions(table, asked, values).map((more) => {
    const conditions = [...given, ...more];
    const where = conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : '';
    return `SELECT ${selection(table)}${place} FROM ${relation(table.name)} t${where}${by}${limit}`;
  });
  const offset = counts(table) && asked.start !== undefined ? ` OFFSET ${Number(asked.start[0])}` : '';
  const [first = ''] = parts;
  const text = parts.length === 1 ? first + offset : `SELECT * FROM (${parts.map((part) => `(${part})`).join(' UNION ALL ')}) t${by}${limit}`;
  return { text, values: values.list };
}

/** Whether pages are cut by counting rows: a view has nothing better. */
const counts = ({ key, pages }: AnyTable): boolean => key.length === 0 && pages !== 'ctid';

function ordering(table: AnyTable, { order, descending }: Asked): string {
  const columns = table.key.length > 0 ? order.map(column) : table.pages === 'ctid' ? ['t.ctid'] : (table.pages ?? []).map(column);
  return columns.length > 0 ? ` ORDER BY ${columns.map((name) => (descending && order.length > 0 ? `${name} DESC` : name)).join(', ')}` : '';
}

/** What is true of the rows behind the start. Where the first column may be null, its nulls come last, and backwards first: as in an index, in two parts that are each found by it. */
function startConditions(table: AnyTable, { order, descending, start }: Asked, values: Values): string[][] {
  if (start === undefined || counts(table)) return [[]];
  const way = descending ? '<' : '>';
  if (table.key.length === 0) return [[`t.ctid > ${values.raw({ read: String, write: String }, start[0] ?? null)}`]];
  const beyond = (names: readonly string[], cells: Cells): string => {
    const places = names.map((name, index) => values.raw(codecOf(table, name), cells[index] ?? null));
    return `(${names.map(column).join(', ')}) ${way} (${places.join(', ')})`;
  };
  const [first = '', ...rest] = order;
  const isNull = `${column(first)} IS NULL`;
  if (start[0] === null) {
    const behind = [isNull, beyond(rest, start.slice(1))];
    return descending ? [behind, [`${column(first)} IS NOT NULL`]] : [behind];
  }
  const behind = [beyond(order, start)];
  return table.nullable?.includes(first) === true && !descending ? [behind, [isNull]] : [behind];
}

const FILTER = /^(?:filter\[(.*)\]|([^[]*))(?:\[(min|max|null)\])?$/s;

function filterConditions(table: AnyTable, filters: ReadonlyMap<string, unknown>, values: Values): string[] {
  return [...filters].flatMap(([parameter, value]) => {
    const [, quoted, plain = '', kind] = FILTER.exec(parameter) ?? [];
    const name = quoted ?? plain;
    if (value === undefined || !shown(table).includes(name)) return [];
    if (kind === 'null') return [`${column(name)} IS ${value === true ? '' : 'NOT '}NULL`];
    if (kind !== undefined) return [`${column(name)} ${kind === 'min' ? '>=' : '<='} ${values.of(table, name, value)}`];
    const places = [value].flat().map((one) => values.of(table, name, one));
    return [places.length === 1 ? `${column(name)} = ${places.join('')}` : `${column(name)} IN (${places.join(', ')})`];
  });
}

// --- cursors: where a page begins, for a table and an order. What they hold only ever becomes parameters; the digest tells other texts from ours.
function nextCursor(table: AnyTable, asked: Asked, rows: readonly Cells[]): string | null {
  const last = rows[asked.limit - 1];
  if (last === undefined || rows.length <= asked.limit) return null;
  if (counts(table)) return writeCursor(table, asked.sort, [String(Number(asked.start?.[0] ?? 0) + asked.limit)]);
  const names = shown(table);
  return writeCursor(table, asked.sort, table.key.length > 0 ? asked.order.map((name) => last[names.indexOf(name)] ?? null) : [last.at(-1) ?? null]);
}

const digest = (table: AnyTable, text: string): string =>
  createHash('sha256').update(`${relation(table.name)} ${text}`).digest().subarray(0, 8).toString('base64url');

function writeCursor(table: AnyTable, sort: string, cells: Cells): string {
  const text = Buffer.from(JSON.stringify([sort, ...cells])).toString('base64url');
  return `${text}.${digest(table, text)}`;
}

function readCursor(table: AnyTable, sort: string, cursor: string): Cells {
  const [text = '', sum] = cursor.split('.');
  const held: unknown = sum === digest(table, text) ? JSON.parse(Buffer.from(text, 'base64url').toString()) : undefined;
  const [of, ...cells] = Array.isArray(held) ? held.map((cell: unknown) => (typeof cell === 'string' ? cell : null)) : [];
  if (of === sort && cells.length > 0 && (!counts(table) || /^\d{1,15}$/.test(cells[0] ?? ''))) return cells;
  const message = 'this is no cursor of this list in this order';
  throw new HttpError(422, 'UNPROCESSABLE', message, { details: [{ field: 'cursor', message }] });
}
