// The body of errors for which the API document declares none: problem details (RFC 9457).
import { STATUS_CODES } from 'node:http';
import type { Failure } from './http-error.ts';

export const ERROR_CONTENT_TYPE = 'application/problem+json';

export function errorBody({ status, code, message, details, requestId }: Failure): object {
  const title = STATUS_CODES[status] ?? 'Error';
  return {
    type: 'about:blank',
    title,
    status,
    detail: message,
    code,
    ...(details.length > 0 ? { errors: details } : {}),
    requestId,
  };
}
