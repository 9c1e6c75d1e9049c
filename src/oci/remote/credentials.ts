// Authentication at a registry: basic, or with a token for each scope. The registry's first 401 says which one it uses.
import type { IncomingMessage } from 'node:http';
import type { Egress } from '../../egress/egress.ts';
import { TOKEN_SERVER_LIMITS } from '../../egress/fetch-limits.ts';
import { RegistryError } from '../errors.ts';
import { parseChallenge } from './challenge.ts';

export type Credentials = { username: string; password: string };

/** Credentials that expire. `expiresAt` is in milliseconds since 1970. */
export type ExchangedCredentials = Credentials & { expiresAt: number };

/** Exchanges the given credentials for temporary credentials that the registry accepts. Throws RegistryError. */
export type CredentialExchange = (given: Credentials, signal?: AbortSignal) => Promise<ExchangedCredentials>;

type Token = { value: string; expiresAt: number };
type Method = { scheme: 'none' } | { scheme: 'basic' } | { scheme: 'bearer'; realm: URL; service?: string };

export type Authorizer = {
  /**
   * Returns the Authorization header for a request with these scopes (`repository:NAME:pull,push`). Returns undefined until
   * the registry asks for credentials.
   */
  header(scopes: string[]): Promise<string | undefined>;
  /** Processes a 401. Returns whether the registry may accept the same request with a new header. */
  rejected(response: IncomingMessage, scopes: string[], sent: string | undefined): boolean;
  /** Returns the text without the secrets that were sent to this registry. */
  redact(text: string): string;
};

/**
 * The lifetime, in seconds, of a token without expires_in. The token specification of the distribution project requires this
 * value.
 */
const TOKEN_SECONDS_DEFAULT = 60;
/** A token is renewed in this last part of its lifetime, so that it does not expire during a request. */
const TOKEN_MARGIN = 0.1;
/**
 * The most cached tokens. There may be many, because mounts need a token for each pair of repositories. The oldest tokens are
 * dropped.
 */
const TOKENS_MAX = 1000;
/** Exchanged credentials are renewed this long before their expiry, because a push with them may take long. */
const EXCHANGE_MARGIN_MS = 30 * 60_000;

/**
 * Returns the authorizer of one registry. It sends the credentials only to the registry and to the registry's token server.
 */
export function createAuthorizer(options: {
  egress: Egress;
  registry: URL;
  credentials?: Credentials;
  exchangeCredentials?: CredentialExchange;
  userAgent: string;
  signal?: AbortSignal;
}): Authorizer {
  const { credentials, exchangeCredentials, registry, signal } = options;
  const tokens = new Map<string, Promise<Token>>();
  let method: Method = { scheme: 'none' };
  let exchanged: Promise<ExchangedCredentials> | undefined;
  let basic = exchangeCredentials === undefined ? credentials && basicOf(credentials) : undefined;

  /**
   * Returns the header for basic authentication. If the registry needs exchanged credentials and no valid exchanged
   * credentials exist, exchanges the given credentials first.
   */
  async function basicHeader(): Promise<string | undefined> {
    if (credentials === undefined || exchangeCredentials === undefined) {
      return basic;
    }
    const held = await exchanged?.catch(() => undefined);
    if (held === undefined || held.expiresAt - EXCHANGE_MARGIN_MS <= Date.now()) {
      exchanged = exchangeCredentials(credentials, signal);
      basic = basicOf(await exchanged);
    }
    return basic;
  }

  async function tokenFor(realm: { realm: URL; service?: string }, scopes: string[]): Promise<string> {
    const key = [...scopes].sort().join(' ');
    const held = await tokens.get(key)?.catch(() => undefined);
    if (held !== undefined && held.expiresAt > Date.now()) {
      return held.value;
    }
    const asked = basicHeader().then((shown) => askForToken({ ...options, ...realm, scopes, basic: shown }));
    tokens.delete(key);
    tokens.set(key, asked);
    forgetOldest(tokens);
    asked.catch(() => tokens.delete(key));
    return (await asked).value;
  }

  return {
    async header(scopes) {
      switch (method.scheme) {
        case 'none':
          return undefined;
        case 'basic':
          return await basicHeader();
        case 'bearer':
          return `Bearer ${await tokenFor(method, scopes)}`;
      }
    },
    rejected(response, scopes, sent) {
      const challenge = parseChallenge(response.headers['www-authenticate']);
      if (challenge?.scheme === 'bearer') {
        const realm = realmOf(challenge.realm, registry);
        tokens.delete([...scopes].sort().join(' '));
        method = { scheme: 'bearer', realm, ...(challenge.service !== undefined && { service: challenge.service }) };
        return true;
      }
      if (challenge?.scheme === 'basic' && credentials !== undefined) {
        method = { scheme: 'basic' };
        return sent === undefined || sent !== basic;
      }
      return false;
    },
    redact(text) {
      const secrets = [credentials?.password, basic?.slice('Basic '.length), passwordIn(basic)].filter(
        (secret) => (secret ?? '') !== '',
      );
      return secrets
        .reduce<string>((clean, secret) => clean.replaceAll(secret ?? '', '…'), text)
        .replace(/Bearer \S+/g, 'Bearer …');
    },
  };
}

function basicOf({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function passwordIn(basic: string | undefined): string | undefined {
  const pair = basic && Buffer.from(basic.slice('Basic '.length), 'base64').toString();
  return pair?.slice(pair.indexOf(':') + 1);
}

function forgetOldest(tokens: Map<string, unknown>): void {
  const [oldest] = tokens.keys();
  if (oldest !== undefined && tokens.size > TOKENS_MAX) {
    tokens.delete(oldest);
  }
}

/**
 * Returns the address of the token server. Throws RegistryError if the address uses plain HTTP although the registry uses
 * TLS.
 */
function realmOf(realm: string, registry: URL): URL {
  const url = URL.parse(realm, registry.href);
  if (
    url === null ||
    !['http:', 'https:'].includes(url.protocol) ||
    (registry.protocol === 'https:' && url.protocol !== 'https:')
  ) {
    throw logInError({
      code: 'REALM',
      temporary: false,
      message: `${registry.host} names a token server with an invalid or unencrypted address`,
    });
  }
  return url;
}

type TokenQuestion = {
  egress: Egress;
  realm: URL;
  service?: string;
  scopes: string[];
  basic: string | undefined;
  userAgent: string;
  signal?: AbortSignal;
};

async function askForToken(question: TokenQuestion): Promise<Token> {
  const { egress, realm, service, scopes, basic, userAgent, signal } = question;
  const url = new URL(realm);
  if (service !== undefined) {
    url.searchParams.set('service', service);
  }
  for (const scope of scopes) {
    url.searchParams.append('scope', scope);
  }
  const headers = {
    Accept: 'application/json',
    'User-Agent': userAgent,
    ...(basic !== undefined && { Authorization: basic }),
  };
  const limits = TOKEN_SERVER_LIMITS;
  const { status, bytes } = await egress.fetch(url, { method: 'GET', headers, limits, ...(signal && { signal }) });
  if (status !== 200) {
    const code = status === 401 || status === 403 ? 'UNAUTHORIZED' : `HTTP_${status}`;
    const message = `the token server ${url.host} answered ${status}`;
    throw logInError({ status, code, temporary: status === 429 || status >= 500, message });
  }
  return parseToken(bytes, url.host);
}

function parseToken(bytes: Buffer, host: string): Token {
  let answer: Record<string, unknown> = {};
  try {
    answer = JSON.parse(bytes.toString()) as Record<string, unknown>;
  } catch {
    // An answer that is not JSON contains no token.
  }
  const value = answer['token'] ?? answer['access_token'];
  if (typeof value !== 'string' || value === '') {
    throw logInError({
      code: 'TOKEN',
      temporary: false,
      message: `the answer of the token server ${host} has no token`,
    });
  }
  const seconds = Number(answer['expires_in'] ?? TOKEN_SECONDS_DEFAULT);
  return { value, expiresAt: Date.now() + seconds * 1000 * (1 - TOKEN_MARGIN) };
}

function logInError(details: { status?: number; code: string; temporary: boolean; message: string }): RegistryError {
  return new RegistryError({ op: 'log in', side: 'target', ...details });
}
