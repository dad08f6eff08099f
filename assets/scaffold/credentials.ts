// Security: which credentials a request carries, and asking the hooks of security.handlers.ts about them.
import type { IncomingMessage } from 'node:http';
import { HttpError, unauthorized } from './http-error.ts';
import { cookieDecode, parseCookies, parsePairs, percentDecode } from './parameters.ts';

/** What a hook may look at besides the credential. */
export interface SecurityContext {
  /** What the operation asks for, by the document. */
  readonly scopes: readonly string[];
  readonly operationId: string;
  readonly requestId: string;
  readonly raw: IncomingMessage;
}

/**
 * Decides about one kind of credential: gives who it stands for, or undefined when it is not valid (401).
 * Throw forbidden() for a valid one that does not suffice (403).
 */
export type Hook<Credential, Principal> = (
  credential: Credential,
  context: SecurityContext,
) => Promise<Principal | undefined> | Principal | undefined;

export type BearerHook<Principal> = Hook<{ readonly token: string }, Principal>;
export type BasicHook<Principal> = Hook<{ readonly user: string; readonly password: string }, Principal>;
export type ApiKeyHook<Principal> = Hook<{ readonly key: string }, Principal>;
/** Other HTTP schemes: what follows the scheme's name in the Authorization header. */
export type AuthorizationHook<Principal> = Hook<{ readonly value: string }, Principal>;
/** Called when TLS has verified the client's certificate: see `context.raw.socket`. */
export type CertificateHook<Principal> = Hook<{ readonly verified: boolean }, Principal>;

/** Who a hook gives. */
export type PrincipalOf<AnyHook> = AnyHook extends (...given: never[]) => infer Given
  ? NonNullable<Awaited<Given>>
  : never;

/** A security scheme of the document. `attempt` gives undefined when the request carries no such credential. */
export interface Scheme<Principal> {
  readonly challenge: string;
  readonly attempt: (
    context: SecurityContext,
    query: string,
  ) => { readonly outcome: Promise<Principal | undefined> | Principal | undefined } | undefined;
}

export type Schemes<Principal> = Readonly<Record<string, Scheme<Principal>>>;

/** Any of these suffices; each needs all of its schemes, with their scopes. An empty one lets everybody in. */
export type SecurityRequirements = readonly Readonly<Record<string, readonly string[]>>[];

function scheme<Credential, Principal>(
  challenge: string,
  hook: Hook<Credential, Principal>,
  read: (raw: IncomingMessage, query: string) => Credential | undefined,
): Scheme<Principal> {
  return {
    challenge,
    attempt: (context, query) => {
      const credential = read(context.raw, query);
      return credential === undefined ? undefined : { outcome: hook(credential, context) };
    },
  };
}

/** HTTP bearer, OAuth 2 and OpenID Connect. */
export const bearer = <Principal>(hook: BearerHook<Principal>): Scheme<Principal> =>
  scheme('Bearer', hook, (raw) => {
    const token = authorization(raw, 'bearer');
    return token === undefined ? undefined : { token };
  });

export const basic = <Principal>(hook: BasicHook<Principal>): Scheme<Principal> =>
  scheme('Basic realm="api", charset="UTF-8"', hook, (raw) => {
    const text = Buffer.from(authorization(raw, 'basic') ?? '', 'base64').toString('utf8');
    const colon = text.indexOf(':');
    return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
  });

/** Any other scheme of the Authorization header, by its name. */
export const authorizationScheme = <Principal>(name: string, hook: AuthorizationHook<Principal>): Scheme<Principal> =>
  scheme(name, hook, (raw) => {
    const value = authorization(raw, name);
    return value === undefined ? undefined : { value };
  });

export const apiKey = <Principal>(
  location: 'header' | 'query' | 'cookie',
  name: string,
  hook: ApiKeyHook<Principal>,
): Scheme<Principal> =>
  scheme(`ApiKey in="${location}", name=${JSON.stringify(name).replace(/[^\x20-\x7e]/g, '?')}`, hook, (raw, query) => {
    const key = READ_KEY[location](raw, query, name);
    return key === undefined || key === '' ? undefined : { key };
  });

export const certificate = <Principal>(hook: CertificateHook<Principal>): Scheme<Principal> =>
  scheme('MutualTLS', hook, ({ socket }) =>
    'authorized' in socket && socket.authorized === true ? { verified: true } : undefined,
  );

function authorization(raw: IncomingMessage, name: string): string | undefined {
  const header = raw.headers.authorization ?? '';
  const space = header.indexOf(' ');
  const value = header.slice(space + 1).trim();
  return space > 0 && value !== '' && header.slice(0, space).toLowerCase() === name.toLowerCase() ? value : undefined;
}

const READ_KEY = {
  header: (raw: IncomingMessage, _query: string, name: string): string | undefined => {
    const sent = raw.headers[name.toLowerCase()];
    return typeof sent === 'string' ? sent : sent?.[0];
  },
  query: (_raw: IncomingMessage, query: string, name: string): string | undefined => {
    const sent = parsePairs(query).find((pair) => pair.name === name);
    return sent && percentDecode(sent.raw.replaceAll('+', ' '));
  },
  cookie: (raw: IncomingMessage, _query: string, name: string): string | undefined => {
    const sent = parseCookies(raw.headers.cookie).get(name);
    return sent === undefined ? undefined : cookieDecode(sent);
  },
};

/** Who is asking, by the first requirement that holds; undefined when an empty one does. Throws 401, or 403 when a hook knew the credential but refused it. */
export async function authenticate<Principal>(
  requirements: SecurityRequirements,
  schemes: Schemes<Principal>,
  base: Omit<SecurityContext, 'scopes'>,
  query: string,
): Promise<Principal | undefined> {
  let refusal: HttpError | undefined;
  for (const requirement of requirements) {
    try {
      const passed = await meets(requirement, schemes, base, query);
      if (passed !== undefined) return passed.principal;
    } catch (thrown) {
      if (!(thrown instanceof HttpError) || (thrown.status !== 401 && thrown.status !== 403)) throw thrown;
      refusal = refusal?.status === 403 ? refusal : thrown;
    }
  }
  throw withChallenge(refusal ?? unauthorized(), requirements, schemes);
}

async function meets<Principal>(
  requirement: Readonly<Record<string, readonly string[]>>,
  schemes: Schemes<Principal>,
  base: Omit<SecurityContext, 'scopes'>,
  query: string,
): Promise<{ principal: Principal | undefined } | undefined> {
  const attempts = [];
  for (const [name, scopes] of Object.entries(requirement)) {
    const attempt = schemes[name]?.attempt({ ...base, scopes }, query);
    if (attempt === undefined) return undefined;
    attempts.push(attempt.outcome);
  }
  const principals = await Promise.all(attempts);
  if (principals.some((principal) => principal === undefined || principal === null)) throw unauthorized();
  return { principal: principals[0] };
}

function withChallenge<Principal>(
  refusal: HttpError,
  requirements: SecurityRequirements,
  schemes: Schemes<Principal>,
): HttpError {
  if (refusal.status === 403) return refusal;
  const names = new Set(requirements.flatMap((requirement) => Object.keys(requirement)));
  const challenges = new Set([...names].flatMap((name) => schemes[name]?.challenge ?? []));
  return new HttpError(401, refusal.code, refusal.message, {
    headers: { 'WWW-Authenticate': [...challenges].join(', '), ...refusal.headers },
    cause: refusal,
  });
}
