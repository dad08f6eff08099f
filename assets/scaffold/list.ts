// Lists of rows. Pages follow one another by the values of the last row, not by counting: they neither skip nor repeat rows while a table changes, and an index finds where they begin.
import { createHash } from 'node:crypto';
import { pool, run, type Cells, type Session, type Statement } from './database.ts';
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
import { notFound } from './http-error.ts';
import { entries, unprocessable } from './values.ts';

export interface Page<Row> {
  items: Row[];
  nextCursor: string | null;
}

/** The rows of `table` that belong to a row of `owner`, by pairs of their columns; through a join table by pairs of its columns with both. */
export interface Related<Row> {
  readonly table: Table<Row>;
  readonly owner: AnyTable;
  readonly pairs: readonly (readonly [column: string, owners: string])[];
  /** Whether the owners' values are those of its row: they are not its key, or of another type than the column. */
  readonly lookedUp?: boolean;
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
    const rows: Cells[] = [];
    for (const statement of listStatements(table, asked, scope)) {
      if (rows.length <= asked.limit) rows.push(...(await run(statement(asked.limit + 1 - rows.length), session)));
    }
    const items = rows.slice(0, asked.limit).map((cells) => rowOf(table, cells));
    return {
      items,
      nextCursor: rows.length > asked.limit ? cursorBehind(table, asked, rows[asked.limit - 1] ?? []) : null,
    };
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

function scopeOf<Row>({ owner, pairs, lookedUp, through }: Related<Row>, key: ReadonlyMap<string, unknown>): Scope {
  return (values) => {
    const wanted = (name: string): string =>
      lookedUp === true
        ? `(SELECT ${column(name)} FROM ${relation(owner.name)} t WHERE ${keyCondition(owner, key, values)})`
        : values.of(owner, name, key.get(name));
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
  const { limit = 20, sort, cursor, ...filters } = query as { limit?: number; sort?: string; cursor?: string };
  const [first = ''] = table.key;
  const sortable = [first, ...(table.sort ?? [])];
  const by = sort ?? first;
  const descending = !sortable.includes(by); // the name of a column may begin with a dash
  const name = descending ? by.slice(1) : by;
  if (!sortable.includes(name)) throw unprocessable(`${name} is nothing to sort by`, 'sort');
  const asked = {
    limit,
    sort: by,
    descending,
    order: table.key.length > 0 ? [...new Set([name, ...table.key])] : [],
    filters: entries(filters),
  };
  return { ...asked, start: cursor === undefined ? undefined : startOf(table, asked, cursor) };
}

/** The statements whose rows, one after the other, are those from the start on: each is asked only when those before gave too few. */
export function listStatements(table: AnyTable, asked: Asked, scope?: Scope): ((limit: number) => Statement)[] {
  return segments(table, asked).map(({ order, condition }) => (limit) => {
    const values = new Values();
    const chosen = [
      ...(scope === undefined ? [] : [scope(values)]),
      ...filterConditions(table, asked.filters, values),
    ];
    const conditions = [...chosen, ...condition(values)];
    const where = conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : '';
    // a scan of the whole table is in the order of ctid, and PostgreSQL does not know it: it would sort all rows for each page
    const sorted = order.length > 0 && (table.pages !== 'ctid' || chosen.length > 0);
    const by = sorted ? ` ORDER BY ${order.map((name) => (asked.descending ? `${name} DESC` : name)).join(', ')}` : '';
    const offset =
      counts(table) && asked.start !== undefined ? ` OFFSET ${values.raw(PLAIN, asked.start[0] ?? null)}` : '';
    const place = table.pages === 'ctid' ? ', t.ctid' : '';
    return {
      text: `SELECT ${selection(table)}${place} FROM ${relation(table.name)} t${where}${by} LIMIT ${limit}${offset}`,
      values: values.list,
    };
  });
}

interface Segment {
  readonly order: readonly string[];
  readonly condition: (values: Values) => string[];
}

const PLAIN = { read: String, write: String };
/** Whether pages are cut by counting rows: a view has nothing better. */
const counts = ({ key, pages }: AnyTable): boolean => key.length === 0 && pages !== 'ctid';

/**
 * What follows the start, in pieces that an index finds and delivers in order: the rest of the rows with the start's first value, those with later
 * values, and those with none (last, as in an index; backwards they are first).
 */
function segments(table: AnyTable, { order, descending, start }: Asked): Segment[] {
  const all = (): string[] => [];
  if (counts(table))
    return [{ order: ((table.pages as readonly string[] | undefined) ?? []).map(column), condition: all }];
  if (order.length === 0)
    return [
      {
        order: ['t.ctid'],
        condition: (values) => (start === undefined ? [] : [`t.ctid > ${values.raw(PLAIN, start[0] ?? null)}`]),
      },
    ];
  const [first = '', ...rest] = order;
  const way = descending ? '<' : '>';
  const place = (values: Values, name: string): string =>
    values.raw(codecOf(table, name), start?.[order.indexOf(name)] ?? null);
  const beyond = (values: Values, names: readonly string[]): string =>
    `(${names.map(column).join(', ')}) ${way} (${names.map((name) => place(values, name)).join(', ')})`;
  const whole = order.map(column);
  const behind = rest.map(column);
  const isNull = `${column(first)} IS NULL`;
  const nullable = table.nullable?.includes(first) === true;
  const missing: Segment = {
    order: behind,
    condition: (values) => (start?.[0] === null ? [isNull, beyond(values, rest)] : [isNull]),
  };
  const present: Segment = { order: whole, condition: () => (nullable ? [`${column(first)} IS NOT NULL`] : []) };
  if (start === undefined) return !nullable ? [present] : descending ? [missing, present] : [present, missing];
  if (start[0] === null) return descending ? [missing, present] : [missing];
  if (table.key.includes(first)) return [{ order: whole, condition: (values) => [beyond(values, order)] }];
  return [
    { order: behind, condition: (values) => [`${column(first)} = ${place(values, first)}`, beyond(values, rest)] },
    { order: whole, condition: (values) => [`${column(first)} ${way} ${place(values, first)}`] },
    ...(nullable && !descending ? [missing] : []),
  ];
}

const FILTER = /^(?:filter\[(.*?)\]|([^[]*))(?:\[(min|max|null)\])?$/s;

function filterConditions(table: AnyTable, filters: ReadonlyMap<string, unknown>, values: Values): string[] {
  return [...filters].flatMap(([parameter, value]) => {
    const [, quoted, plain = '', kind] = FILTER.exec(parameter) ?? [];
    const name = quoted ?? plain;
    if (value === undefined) return [];
    if (!shown(table).includes(name)) throw unprocessable(`${name} is nothing to filter by`, parameter);
    if (kind === 'null') return [`${column(name)} IS ${value === true ? '' : 'NOT '}NULL`];
    if (kind !== undefined) return [`${column(name)} ${kind === 'min' ? '>=' : '<='} ${values.of(table, name, value)}`];
    const places = [value].flat().map((one) => values.of(table, name, one));
    return [`${column(name)} IN (${places.join(', ')})`];
  });
}

// --- cursors: where a page begins, for a table and an order. What they hold only ever becomes parameters; the digest tells other texts from ours.
const digest = (table: AnyTable, text: string): string =>
  createHash('sha256')
    .update(`${relation(table.name)} ${text}`)
    .digest()
    .subarray(0, 8)
    .toString('base64url');

function cursorBehind(table: AnyTable, { sort, order, limit, start }: Asked, last: Cells): string {
  const names = shown(table);
  const place = counts(table) ? String(Number(start?.[0] ?? 0) + limit) : (last.at(-1) ?? null);
  const cells = order.length > 0 ? order.map((name) => last[names.indexOf(name)] ?? null) : [place];
  const text = Buffer.from(JSON.stringify([sort, ...cells])).toString('base64url');
  return `${text}.${digest(table, text)}`;
}

function startOf(table: AnyTable, { sort, order }: Omit<Asked, 'start'>, cursor: string): Cells {
  const [text = '', sum] = cursor.split('.');
  const held: unknown = sum === digest(table, text) ? JSON.parse(Buffer.from(text, 'base64url').toString()) : undefined;
  const [of, ...cells] = Array.isArray(held)
    ? held.map((cell: unknown) => (typeof cell === 'string' ? cell : null))
    : [];
  const fits = (cell: string | null, index: number): boolean =>
    cell === null
      ? index === 0 && table.nullable?.includes(order[0] ?? '') === true
      : !counts(table) || /^\d{1,15}$/.test(cell);
  if (of === sort && cells.length === Math.max(order.length, 1) && cells.every(fits)) return cells;
  throw notFound('there is no such page: this is no cursor of this list in this order');
}
