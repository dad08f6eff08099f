// What ends a request with an error, and how thrown things become it.

export interface FieldProblem {
  readonly field: string;
  readonly message: string;
}

export interface HttpErrorOptions {
  readonly details?: readonly FieldProblem[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** Thrown by handlers and hooks to answer an error. Anything else that is thrown is a bug and answers 500. */
export class HttpError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: readonly FieldProblem[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, options: HttpErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'HttpError';
    this.status = status;
    this.code = code;
    this.details = options.details ?? [];
    this.headers = options.headers ?? {};
  }
}

/** An error on its way to the client: what the functions of errors.handlers.ts shape. */
export interface Failure {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly details: readonly FieldProblem[];
  readonly requestId: string;
}

export const badRequest = (message: string, cause?: unknown): HttpError =>
  new HttpError(400, 'BAD_REQUEST', message, { cause });

export const unauthorized = (message = 'valid credentials are required'): HttpError =>
  new HttpError(401, 'UNAUTHORIZED', message);

export const forbidden = (message = 'these credentials do not allow this'): HttpError =>
  new HttpError(403, 'FORBIDDEN', message);

export const notFound = (message = 'there is nothing here'): HttpError => new HttpError(404, 'NOT_FOUND', message);

export const notImplemented = (operation: string): HttpError =>
  new HttpError(501, 'NOT_IMPLEMENTED', `${operation} is not implemented yet`);

export const rateLimited = (retryAfterSeconds: number): HttpError =>
  new HttpError(429, 'RATE_LIMITED', 'too many requests', {
    headers: { 'Retry-After': String(Math.ceil(retryAfterSeconds)) },
  });

export const methodNotAllowed = (method: string, allowed: readonly string[]): HttpError =>
  new HttpError(405, 'METHOD_NOT_ALLOWED', `${method} is not allowed here`, { headers: { Allow: allowed.join(', ') } });

/** The thrown thing as an HttpError; errors of other libraries keep their 4xx status (`http-errors`, Fastify's own). */
export function asHttpError(thrown: unknown): HttpError {
  if (thrown instanceof HttpError) return thrown;
  const status =
    thrown instanceof Error && 'statusCode' in thrown
      ? Number(thrown.statusCode)
      : thrown instanceof Error && 'status' in thrown
        ? Number(thrown.status)
        : 500;
  const known = CLIENT_ERRORS.get(status);
  if (known !== undefined) return new HttpError(status, known[0], known[1], { cause: thrown });
  return new HttpError(500, 'INTERNAL_ERROR', 'something went wrong on our side', { cause: thrown });
}

const CLIENT_ERRORS: ReadonlyMap<number, readonly [code: string, message: string]> = new Map([
  [400, ['BAD_REQUEST', 'the request is malformed']],
  [401, ['UNAUTHORIZED', 'valid credentials are required']],
  [403, ['FORBIDDEN', 'these credentials do not allow this']],
  [404, ['NOT_FOUND', 'there is nothing here']],
  [408, ['REQUEST_TIMEOUT', 'the request took too long to arrive']],
  [413, ['PAYLOAD_TOO_LARGE', 'the body is too large']],
  [414, ['URI_TOO_LONG', 'the address is too long']],
  [415, ['UNSUPPORTED_MEDIA_TYPE', 'this content type is not supported']],
  [429, ['RATE_LIMITED', 'too many requests']],
]);
