// What every framework's mount.ts shares: the types of routes and handlers, and answering one request.
import { randomUUID } from 'node:crypto';
import { validateHeaderValue, type IncomingMessage } from 'node:http';
import type * as z from 'zod';
import {
  checkEncoding,
  chooseContent,
  decodeBody,
  encodeBody,
  fromParsed,
  hasBody,
  readBytes,
  type Content,
  type Contents,
  type Sendable,
} from './bodies.ts';
import { authenticate, type Schemes, type SecurityRequirements } from './credentials.ts';
import { ERROR_CONTENT_TYPE, errorBody } from './error-body.ts';
import { HttpError, asHttpError, methodNotAllowed, type Failure, type FieldProblem } from './http-error.ts';
import { acceptable, mostSpecific } from './media-types.ts';
import { decodeCookies, decodeHeaders, decodePath, decodeQuery, undeclared, type Styles } from './parameters.ts';
import { parameterNames, type PathEntry } from './routing.ts';
import { check } from './validation.ts';

export { binary, form, json, multipart, text, xml } from './bodies.ts';
export type { ApiKeyHook, AuthorizationHook, BasicHook, BearerHook, CertificateHook, Schemes } from './credentials.ts';
export {
  HttpError,
  forbidden,
  notFound,
  notImplemented,
  rateLimited,
  unauthorized,
  type Failure,
  type FieldProblem,
} from './http-error.ts';

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE' | 'OPTIONS' | 'HEAD' | 'PATCH' | 'TRACE';

/** What a handler knows beside the request's own data. */
export interface Context<Principal = unknown> {
  /** The client's X-Request-Id when it is a sane one, else a new UUID; sent back with every answer. */
  readonly requestId: string;
  readonly operationId: string;
  /** Who is asking: what the security hook gave. */
  readonly principal: Principal;
  /** Node's own request. */
  readonly raw: IncomingMessage;
  /** Of these content types the one that the client likes best. */
  readonly preferred: <ContentType extends string>(first: ContentType, ...others: ContentType[]) => ContentType;
}

export type Handler<Request, Reply, Principal = unknown> = (
  request: Request,
  context: Context<Principal>,
) => Promise<Reply> | Reply;

/** What replies have in common; each operation's reply type narrows it. */
export interface AnyReply {
  readonly status: number;
  readonly contentType?: string;
  readonly headers?: object;
  readonly body?: unknown;
  readonly data?: unknown;
}

type Part = 'path' | 'query' | 'headers' | 'cookies';
type ContentTypeOf<Request> = Request extends { contentType?: infer ContentType }
  ? Extract<ContentType, string>
  : string;
type BodyOf<Request, ContentType> = Request extends { contentType?: infer Own; body?: infer Body }
  ? ContentType extends Own
    ? Body
    : never
  : Request extends { body?: infer Body }
    ? Body
    : never;

/** The types of a body by content type, as the operation's request type has them. */
export type BodyContents<Request> = {
  readonly [ContentType in ContentTypeOf<Request>]: Content<BodyOf<Request, ContentType>>;
};

/** Statuses ("200", "4XX", "default") and the contents of their replies; without contents a reply has no body of its own. */
export type Replies = Readonly<Record<string, Contents>>;

/** Turns an error into the body that the document declares for its status. */
export type ErrorShape<Body> = (failure: Failure) => Body;

/** The body of a reply with a status. */
export type ReplyBody<Reply, Status extends number> = Reply extends { status: infer Own; body: infer Body }
  ? Status extends Own
    ? Body
    : never
  : never;

interface RouteBase {
  readonly method: Method;
  readonly path: string;
  readonly operationId: string;
  readonly tag?: string;
  /** How parameters are written, where not the usual way of their place. */
  readonly styles?: Readonly<Partial<Record<Part, Styles>>>;
  /** Query parameters that are not declared are refused, but for these, which are credentials. */
  readonly closedQuery?: readonly string[];
  readonly bodyRequired?: boolean;
  readonly replies: Replies;
  readonly replyHeaders?: Readonly<Record<string, z.core.$ZodType>>;
  readonly security?: SecurityRequirements;
  readonly errors?: Readonly<Record<string, ErrorShape<unknown>>>;
}

export interface RouteDefinition<Request, Reply, Principal> extends RouteBase {
  readonly parameters?: { readonly [Name in Part & keyof Request]: z.ZodType<Request[Name]> };
  readonly bodies?: BodyContents<Request>;
  readonly handler: Handler<Request, Reply, Principal>;
}

export interface Route<Principal = unknown> extends RouteBase {
  readonly parameters?: Readonly<Partial<Record<Part, z.core.$ZodType>>>;
  readonly bodies?: Contents;
  readonly handle: (request: object, context: Context<Principal>) => Promise<AnyReply> | AnyReply;
}

/** One entry of a route table. The validators must give what the handler takes, by type. */
export function route<Request extends object, Reply extends AnyReply, Principal = unknown>(
  definition: RouteDefinition<Request, Reply, Principal>,
): Route<Principal> {
  const { handler, ...rest } = definition;
  // the request is assembled from the validators above, whose types make it a Request
  return { ...rest, handle: (request, context) => handler(request as Request, context) };
}

export interface ServerOptions {
  /** Longest accepted body in bytes; 1 MiB when not given. */
  readonly bodyLimit?: number;
  /** Check replies against the document and answer 500 when one breaks it; on unless NODE_ENV is "production". */
  readonly validateResponses?: boolean;
  /** Told of every error that becomes a 5xx; writes to the console when not given. */
  readonly onError?: (
    error: unknown,
    at: { readonly operationId: string | undefined; readonly requestId: string },
  ) => void;
}

/** What answering needs to know beside the route. */
export interface Service<Principal> {
  readonly schemes: Schemes<Principal>;
  readonly options: ServerOptions;
}

const DEFAULTS: Required<ServerOptions> = {
  bodyLimit: 1024 * 1024,
  validateResponses: process.env['NODE_ENV'] !== 'production',
  onError: (error, { operationId = 'a request', requestId }) =>
    console.error(`${operationId} failed (request ${requestId}):`, error),
};

/** A request as a framework hands it over: its path below the mount point and its query, both undecoded. */
export interface Incoming {
  readonly raw: IncomingMessage;
  readonly path: string;
  readonly query: string;
  /** What a body parser of the app has made of the body already. */
  readonly parsed?: unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: Sendable;
}

const SANE_ID = /^[\w.:+/=@-]{1,128}$/;

export function requestIdOf(raw: IncomingMessage): string {
  const sent = raw.headers['x-request-id'];
  return typeof sent === 'string' && SANE_ID.test(sent) ? sent : randomUUID();
}

/**
 * Answers a request of a route; never rejects. The order of checks: credentials (401, 403), content types (406, 415), size (413), then
 * everything that is wrong with the data at once (400).
 */
export async function respond<Principal>(
  target: Route<Principal>,
  { pattern }: PathEntry<Principal>,
  incoming: Incoming,
  serving: Service<Principal>,
): Promise<Answer> {
  const requestId = requestIdOf(incoming.raw);
  try {
    const { raw, query } = incoming;
    const { operationId } = target;
    const principal =
      target.security && (await authenticate(target.security, serving.schemes, { operationId, requestId, raw }, query));
    const accept = raw.headers.accept;
    const preferred = negotiate(target, accept);
    const request = await readRequest(target, pattern, incoming, serving.options.bodyLimit ?? DEFAULTS.bodyLimit);
    const context = { requestId, operationId, raw, preferred, principal: principal as Principal };
    return await answer(target, await target.handle(request, context), context, serving);
  } catch (thrown) {
    return failed(thrown, requestId, serving.options, target);
  }
}

/** 406 when none of the types of the successful replies is acceptable. */
function negotiate({ replies }: Route<never>, accept: string | undefined): Context['preferred'] {
  const offered = Object.entries(replies).flatMap(([status, contents]) =>
    status.startsWith('2') ? Object.keys(contents) : [],
  );
  if (offered.length > 0 && acceptable(accept, offered).length === 0)
    throw new HttpError(406, 'NOT_ACCEPTABLE', `this is available as ${[...new Set(offered)].join(', ')}`);
  return (first, ...others) => {
    const liked = acceptable(accept, [first, ...others])[0];
    return [first, ...others].find((type) => type === liked) ?? first;
  };
}

async function readRequest(target: Route<never>, pattern: RegExp, incoming: Incoming, limit: number): Promise<object> {
  const body = await readBody(target, incoming, limit);
  const request: Record<string, unknown> = {};
  const problems: FieldProblem[] = [];
  for (const [part, decode] of Object.entries(DECODERS)) {
    const schema = target.parameters?.[part as Part];
    if (schema === undefined) continue;
    const checked = check(schema, decode(schema, target, pattern, incoming), (path) => path.join('.'));
    request[part] = checked.value;
    problems.push(...checked.problems);
  }
  if (target.closedQuery) problems.push(...undeclared(target.parameters?.query, incoming.query, target.closedQuery));
  if (body.contentType !== undefined) request['contentType'] = body.contentType;
  if ('value' in body) request['body'] = body.value;
  problems.push(...body.problems);
  if (problems.length > 0)
    throw new HttpError(400, 'VALIDATION_ERROR', 'the request does not fit the API description', { details: problems });
  return request;
}

const DECODERS: Readonly<
  Record<Part, (schema: z.core.$ZodType, target: Route<never>, pattern: RegExp, incoming: Incoming) => object>
> = {
  path: (schema, { path, styles }, pattern, incoming) => {
    const values = pattern.exec(incoming.path)?.slice(1) ?? [];
    return decodePath(
      schema,
      new Map(parameterNames(path).map((name, index) => [name, values[index] ?? ''])),
      styles?.path,
    );
  },
  query: (schema, { styles }, _pattern, { query }) => decodeQuery(schema, query, styles?.query),
  headers: (schema, { styles }, _pattern, { raw }) => decodeHeaders(schema, raw.headers, styles?.headers),
  cookies: (schema, { styles }, _pattern, { raw }) => decodeCookies(schema, raw.headers.cookie, styles?.cookies),
};

interface ReadBody {
  readonly contentType?: string;
  readonly value?: unknown;
  readonly problems: readonly FieldProblem[];
}

const MISSING_BODY: ReadBody = { problems: [{ field: 'body', message: 'is required' }] };

async function readBody(
  { bodies, bodyRequired }: Route<never>,
  { raw, parsed }: Incoming,
  limit: number,
): Promise<ReadBody> {
  const header = raw.headers['content-type'];
  if (bodies === undefined) return { problems: [] };
  const absent = bodyRequired === true ? MISSING_BODY : { problems: [] };
  if (!hasBody(raw) && header === undefined) return absent;
  const { name, content, media } = chooseContent(bodies, header);
  checkEncoding(content, media, raw);
  const named = Object.keys(bodies).length > 1 || name.endsWith('*') ? { contentType: media.name } : {};
  let value: unknown;
  if (raw.readableDidRead && parsed !== undefined) value = fromParsed(content, parsed);
  else {
    const bytes = await readBytes(raw, limit);
    if (bytes.length === 0 && !['text', 'binary', 'form'].includes(content.codec)) return absent;
    value = await decodeBody(content, media, bytes, header ?? '');
  }
  if (content.schema === undefined) return { ...named, value, problems: [] };
  return { ...named, ...check(content.schema, value, (path) => path.join('.') || 'body') };
}

async function answer<Principal>(
  target: Route<Principal>,
  reply: AnyReply,
  context: Context<Principal>,
  { options }: Service<Principal>,
): Promise<Answer> {
  const { validateResponses } = { ...DEFAULTS, ...options };
  const contents = forStatus(target.replies, reply.status);
  if (validateResponses && contents === undefined)
    throw new Error(`${target.operationId} answered ${reply.status}, which the API description does not declare`);
  if (validateResponses) checkHeaders(target, reply);
  const headers = { 'X-Request-Id': context.requestId, ...replyHeaders(reply.headers) };
  if (reply.body === undefined || contents === undefined || Object.keys(contents).length === 0)
    return plainAnswer(reply, headers, context.requestId);
  const [first = '', ...others] = Object.keys(contents);
  const contentType = reply.contentType ?? context.preferred(first, ...others);
  const content =
    contents[mostSpecific(Object.keys(contents), contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '') ?? ''];
  if (validateResponses) checkReply(target.operationId, reply, content);
  return {
    status: reply.status,
    headers: { 'Content-Type': concreteType(contentType, content, reply.body), ...headers },
    body: await encodeBody(content, reply.body),
  };
}

/** A reply without declared content: `data` goes into the envelope, nothing else has a body. */
function plainAnswer({ status, data }: AnyReply, headers: Answer['headers'], requestId: string): Answer {
  if (data === undefined) return { status, headers, body: undefined };
  return {
    status,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify({ data, meta: { requestId } })),
  };
}

function checkHeaders({ operationId, replyHeaders: declared }: Route<never>, { status, headers }: AnyReply): void {
  const schema = forStatus(declared, status);
  if (schema === undefined) return;
  const { problems } = check(schema, headers ?? {}, (path) => path.join('.'));
  if (problems.length > 0) throw broken(operationId, status, 'headers', problems);
}

const broken = (operationId: string, status: number, what: string, problems: readonly FieldProblem[]): Error =>
  new Error(
    `${operationId} answered ${status} with ${what} that breaks the API description: ${problems.map(({ field, message }) => `${field}: ${message}`).join('; ')}`,
  );

function checkReply(operationId: string, { status, body }: AnyReply, content: Content<unknown> | undefined): void {
  if (content?.schema === undefined || content.codec === 'binary') return;
  const { problems } = check(content.schema, body, (path) => path.join('.') || 'body');
  if (problems.length > 0) throw broken(operationId, status, 'a body', problems);
}

/** A declared range ("image/*") as a type; text says its charset, JSON and XML need not (RFC 8259, RFC 7303). */
function concreteType(declared: string, content: Content<unknown> | undefined, body: unknown): string {
  if (declared.startsWith('text/') && !declared.includes('*'))
    return declared.includes('charset') ? declared : `${declared}; charset=utf-8`;
  if (!declared.includes('*')) return declared;
  if (content?.codec === 'json') return 'application/json';
  return typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/octet-stream';
}

/** Header values by the `simple` style; a list stays a list only where the header may repeat. */
function replyHeaders(headers: object = {}): Record<string, string | string[]> {
  const entries = Object.entries(headers).flatMap(([name, value]): [string, string | string[]][] => {
    if (value === undefined || value === null) return [];
    const written = Array.isArray(value) && name.toLowerCase() === 'set-cookie' ? value.map(String) : headerText(value);
    for (const one of [written].flat()) validateHeaderValue(name, one);
    return [[name, written]];
  });
  return Object.fromEntries(entries);
}

function headerText(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(',');
  return typeof value === 'object' && value !== null
    ? Object.entries(value).flat().map(String).join(',')
    : String(value);
}

function forStatus<Found>(declared: Readonly<Record<string, Found>> | undefined, status: number): Found | undefined {
  return declared?.[status] ?? declared?.[`${Math.floor(status / 100)}XX`] ?? declared?.['default'];
}

/** The answer for something thrown: in the shape that the document declares for its status, else in the API's common one. */
export function failed<Principal>(
  thrown: unknown,
  requestId: string,
  options: ServerOptions,
  target?: Route<Principal>,
): Answer {
  const error = asHttpError(thrown);
  const { status, code, message, details } = error;
  if (status >= 500 && status !== 501)
    (options.onError ?? DEFAULTS.onError)(thrown, { operationId: target?.operationId, requestId });
  const failure: Failure = { status, code, message, details, requestId };
  const shape = forStatus(target?.errors, status);
  const declared = Object.keys(forStatus(target?.replies, status) ?? {}).find((type) => !type.includes('*'));
  const headers = { ...error.headers, 'X-Request-Id': requestId };
  if (shape === undefined)
    return {
      status,
      headers: { ...headers, 'Content-Type': ERROR_CONTENT_TYPE },
      body: Buffer.from(JSON.stringify(errorBody(failure))),
    };
  const body = shape(failure);
  return {
    status,
    headers: { ...headers, 'Content-Type': declared ?? 'application/json' },
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  };
}

/** The answer to a method that a path does not have, in the shape that the path's own routes declare for it. */
export function refuseMethod<Principal>(
  { routes, allowed }: PathEntry<Principal>,
  raw: IncomingMessage,
  serving: Service<Principal>,
): Answer {
  const shaped = [...routes.values()].find(({ errors }) => forStatus(errors, 405) !== undefined);
  return failed(methodNotAllowed(raw.method ?? '', allowed), requestIdOf(raw), serving.options, shaped);
}
