// The body of errors for which the API document declares none: {"error": {...}, "meta": {"requestId"}}.
import type { Failure } from './http-error.ts';

export const ERROR_CONTENT_TYPE = 'application/json';

export function errorBody({ code, message, details, requestId }: Failure): object {
  return { error: { code, message, ...(details.length > 0 ? { details } : {}) }, meta: { requestId } };
}
