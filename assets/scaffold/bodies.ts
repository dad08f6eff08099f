// Request and response bodies: reading the raw stream with a limit, and one codec per kind of content.
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { ReadableStream as WebStream } from 'node:stream/web';
import * as z from 'zod';
import { decodeTree, newTree, plant, shapeOf } from './decode.ts';
import { HttpError, badRequest } from './http-error.ts';
import { mostSpecific, parseMediaType, type MediaType } from './media-types.ts';
import { readNumber } from './numbers.ts';
import { decodeFields, decodeForm, parsePairs, type Style, type Styles } from './parameters.ts';

type Codec = 'json' | 'form' | 'multipart' | 'text' | 'binary' | 'xml';

/** Reads and writes XML by the document's hints; see xml.ts. */
export interface XmlCodec {
  readonly parse: (text: string) => unknown;
  readonly write: (value: unknown) => string;
}

/** One content type of a body or reply, and how it is read, written and checked. */
export interface Content<Value> {
  readonly codec: Codec;
  readonly schema: z.ZodType<Value> | undefined;
  /** Form and multipart fields that are not written the usual way. */
  readonly fields: Readonly<Record<string, Style>>;
  readonly xml: XmlCodec | undefined;
}

export type Contents = Readonly<Record<string, Content<unknown>>>;

const content =
  (codec: Codec) =>
  <Value>(schema?: z.ZodType<Value>, fields: Styles = {}): Content<Value> => ({
    codec,
    schema,
    fields,
    xml: undefined,
  });

export const json = content('json');
export const form = content('form');
export const multipart = content('multipart');
export const text = <Value extends string = string>(schema?: z.ZodType<Value>): Content<Value> =>
  content('text')(schema);
export const binary = (): Content<Uint8Array> => content('binary')();
export const xml = <Value>(codec: XmlCodec, schema?: z.ZodType<Value>): Content<Value> => ({
  codec: 'xml',
  schema,
  fields: {},
  xml: codec,
});

/** Whether the request says that a body follows. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return (
    headers['transfer-encoding'] !== undefined ||
    (headers['content-length'] !== undefined && headers['content-length'] !== '0')
  );
}

/** The declared content that the request's Content-Type names, or 415. */
export function chooseContent(
  contents: Contents,
  header: string | undefined,
): { name: string; content: Content<unknown>; media: MediaType } {
  const media = header === undefined ? undefined : parseMediaType(header);
  const name = media && mostSpecific(Object.keys(contents), media.name);
  const chosen = name === undefined ? undefined : contents[name];
  if (media === undefined || name === undefined || chosen === undefined) {
    const wanted = Object.keys(contents).join(', ');
    throw unsupported(
      header === undefined
        ? `a Content-Type is required: ${wanted}`
        : `this content type is not supported here: send ${wanted}`,
    );
  }
  return { name, content: chosen, media };
}

const unsupported = (message: string): HttpError => new HttpError(415, 'UNSUPPORTED_MEDIA_TYPE', message);

/** Charsets that a body may be in: everything is UTF-8, plain text may be Latin-1 as well. */
export function checkEncoding({ codec }: Content<unknown>, media: MediaType, raw: IncomingMessage): void {
  const packed = raw.headers['content-encoding'];
  if (packed !== undefined && packed.toLowerCase() !== 'identity')
    throw unsupported(`bodies in Content-Encoding ${packed} are not supported`);
  const charset = media.parameters.get('charset')?.toLowerCase() ?? 'utf-8';
  const isLatin = codec === 'text' && (charset === 'iso-8859-1' || charset === 'latin1');
  if (codec !== 'binary' && codec !== 'multipart' && !isLatin && !['utf-8', 'utf8', 'us-ascii'].includes(charset))
    throw unsupported(`charset ${charset} is not supported`);
}

// a client that is still sending reads its answer only after that: so much of the rest is received and thrown away, then the line is cut
const DISCARDED_BYTES = 64 * 1024 * 1024;

/** The whole body, at most `limit` bytes (413). */
export async function readBytes(raw: IncomingMessage, limit: number): Promise<Buffer> {
  if (Number(raw.headers['content-length'] ?? 0) > limit) throw tooLarge(raw, limit);
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (act: () => void): void => {
      raw.off('data', take).off('end', finish).off('error', abort).off('close', abort);
      act();
    };
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > limit) settle(() => reject(tooLarge(raw, limit)));
      else chunks.push(chunk);
    };
    const finish = (): void => settle(() => resolve(Buffer.concat(chunks, size)));
    const abort = (): void => settle(() => reject(badRequest('the connection closed before the body was complete')));
    raw.on('data', take).once('end', finish).once('error', abort).once('close', abort);
  });
}

function tooLarge(raw: IncomingMessage, limit: number): HttpError {
  let left = DISCARDED_BYTES;
  raw.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) raw.socket.destroy();
  });
  return new HttpError(413, 'PAYLOAD_TOO_LARGE', `the body is larger than ${limit} bytes`);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw badRequest('the body is not valid UTF-8', cause);
  }
}

/** The value of a body, not checked yet. */
export async function decodeBody(
  content: Content<unknown>,
  media: MediaType,
  bytes: Buffer,
  contentType: string,
): Promise<unknown> {
  switch (content.codec) {
    case 'json':
      return parseJson(decodeUtf8(bytes));
    case 'form':
      return decodeForm(content.schema ?? z.unknown(), parsePairs(decodeUtf8(bytes)), content.fields);
    case 'multipart':
      return await fromParts(content, bytes, contentType);
    case 'text':
      return ['iso-8859-1', 'latin1'].includes(media.parameters.get('charset')?.toLowerCase() ?? '')
        ? bytes.toString('latin1')
        : decodeUtf8(bytes);
    case 'xml':
      return parseXml(content, decodeUtf8(bytes));
    case 'binary':
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

const JSON_TOKEN = /"[^"\\]*(?:\\[^][^"\\]*)*"?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

function parseJson(source: string): unknown {
  try {
    if (!/\d{16}/.test(source)) return JSON.parse(source);
    return JSON.parse(
      source.replace(JSON_TOKEN, (token) => (/^-?[1-9]\d{15,}$/.test(token) ? String(readNumber(token)) : token)),
    );
  } catch (cause) {
    throw badRequest('the body is not valid JSON', cause);
  }
}

function parseXml({ xml: codec }: Content<unknown>, source: string): unknown {
  try {
    return codec === undefined ? source : codec.parse(source);
  } catch (cause) {
    throw badRequest('the body is not valid XML', cause);
  }
}

async function fromParts(
  { schema = z.unknown(), fields }: Content<unknown>,
  bytes: Buffer,
  contentType: string,
): Promise<unknown> {
  const { properties } = shapeOf(schema);
  const tree = newTree();
  for (const [name, value] of await parseMultipart(bytes, contentType)) {
    const member = properties.get(name.split('[', 1)[0] ?? name);
    plant(tree, name, member === undefined ? value : await asPart(value, member, name));
  }
  for (const [name, { style, explode }] of Object.entries(fields)) {
    const node = tree.inside.get(name);
    if (node !== undefined && style === 'form' && !explode) {
      node.values.splice(0, Infinity, ...node.values.flatMap((value) => String(value).split(',')));
    }
  }
  return decodeFields(schema, tree);
}

async function parseMultipart(bytes: Buffer, contentType: string): Promise<[string, string | File][]> {
  try {
    const parsed = await new Response(new Uint8Array(bytes), { headers: { 'Content-Type': contentType } }).formData();
    return [...parsed.entries()];
  } catch (cause) {
    throw badRequest('the body is not valid multipart/form-data', cause);
  }
}

/** A part as what its schema wants: text that was sent as a file is text, a file that was sent without a file name is a file. */
async function asPart(value: string | File, schema: z.core.$ZodType, name: string): Promise<string | File> {
  const shape = shapeOf(schema);
  const scalars = shape.items === undefined ? shape.scalars : shapeOf(shape.items).scalars;
  const takesFile = scalars.has('file') || scalars.has('any');
  if (typeof value === 'string') return scalars.has('file') && !scalars.has('string') ? new File([value], name) : value;
  return takesFile ? value : decodeUtf8(new Uint8Array(await value.arrayBuffer()));
}

/** A body that a parser of the app (express.json(), koa-body, ...) has read already. */
export function fromParsed({ codec, schema }: Content<unknown>, parsed: unknown): unknown {
  if (codec === 'binary' && parsed instanceof Uint8Array)
    return new Uint8Array(parsed.buffer, parsed.byteOffset, parsed.byteLength);
  if (
    (codec !== 'form' && codec !== 'multipart') ||
    schema === undefined ||
    typeof parsed !== 'object' ||
    parsed === null
  )
    return parsed;
  const tree = newTree();
  for (const [name, value] of Object.entries(parsed))
    for (const one of Array.isArray(value) ? value : [value]) plant(tree, name, one);
  return decodeTree(schema, tree);
}

export type Sendable = Buffer | Readable | undefined;

/** A reply's body as bytes or a stream. */
export async function encodeBody(content: Content<unknown> | undefined, value: unknown): Promise<Sendable> {
  if (value instanceof Readable) return value;
  if (value instanceof ReadableStream) return Readable.fromWeb(value as WebStream);
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof Blob) return Buffer.from(await value.arrayBuffer());
  switch (content?.codec) {
    case 'xml':
      return Buffer.from(content.xml?.write(value) ?? String(value));
    case 'form':
      return Buffer.from(
        new URLSearchParams(
          Object.entries(value ?? {}).map(([name, field]): [string, string] => [name, String(field)]),
        ).toString(),
      );
    case 'text':
    case 'binary':
      return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
    default:
      return Buffer.from(JSON.stringify(value) ?? 'null');
  }
}
