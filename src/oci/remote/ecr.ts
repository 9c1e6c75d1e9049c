// Exchanges an access key of AWS for a token of Amazon's registry. Amazon's API returns the token for a signed request (ECR
// API reference, GetAuthorizationToken). The token is valid for twelve hours.
import type { Egress } from '../../egress/egress.ts';
import { TOKEN_SERVER_LIMITS } from '../../egress/fetch-limits.ts';
import { RegistryError } from '../errors.ts';
import { signAws } from './aws-signature.ts';
import type { CredentialExchange, Credentials, ExchangedCredentials } from './credentials.ts';

const TYPE = 'application/x-amz-json-1.1';
const TARGET = 'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken';

/** Parts of a registry's host name: its region, and its domain (amazonaws.com, or amazonaws.com.cn in China). */
export type EcrPlace = { region: string; domain: string };

/**
 * Returns a function that exchanges an access key for the registry's user name and password. The function throws
 * RegistryError.
 */
export function ecrExchange(egress: Egress, { region, domain }: EcrPlace): CredentialExchange {
  const url = new URL(`https://api.ecr.${region}.${domain}/`);
  return async ({ username, password }: Credentials, signal?: AbortSignal) => {
    const body = '{}';
    const headers = { 'Content-Type': TYPE, 'X-Amz-Target': TARGET };
    const signer = { access_key: username, secret: password, region, service: 'ecr', at: new Date() };
    const signed = signAws({ method: 'POST', url, headers, body }, signer);
    const { status, bytes } = await egress.fetch(url, {
      method: 'POST',
      headers: { ...headers, ...signed },
      body: Buffer.from(body),
      limits: TOKEN_SERVER_LIMITS,
      ...(signal !== undefined && { signal }),
    });
    if (status !== 200) throw rejection(status, bytes, url.host);
    return readToken(bytes, url.host);
  };
}

/**
 * Reads the answer of Amazon's API: `{"authorizationData": [{"authorizationToken": base64 of AWS:password, "expiresAt": seconds since
 * 1970}]}`.
 */
function readToken(bytes: Buffer, host: string): ExchangedCredentials {
  const { authorizationData } = parsed(bytes) as { authorizationData?: unknown };
  const [first] = Array.isArray(authorizationData) ? (authorizationData as Record<string, unknown>[]) : [];
  const { authorizationToken: token, expiresAt } = first ?? {};
  const pair = typeof token === 'string' ? Buffer.from(token, 'base64').toString() : '';
  const colon = pair.indexOf(':');
  if (colon < 1 || typeof expiresAt !== 'number') {
    throw failure({ code: 'TOKEN', temporary: false, message: `the answer of ${host} has no token` });
  }
  return { username: pair.slice(0, colon), password: pair.slice(colon + 1), expiresAt: expiresAt * 1000 };
}

/**
 * Returns the error for a rejection. AWS also answers 400 if the key or the signature is wrong, with the fault in `__type`.
 * These rejections count as wrong credentials.
 */
function rejection(status: number, bytes: Buffer, host: string): RegistryError {
  const { __type } = parsed(bytes) as { __type?: unknown };
  const type = typeof __type === 'string' ? (__type.split('#').at(-1) ?? '').replace(/[^\w.]/g, '').slice(0, 80) : '';
  const denied = status === 401 || status === 403 || /Signature|Token|AccessDenied|Authentication/.test(type);
  const message = `${host} answered the request for a token with ${status}${type === '' ? '' : ` ${type}`}`;
  const temporary = status === 429 || status >= 500 || /Throttling/.test(type);
  return failure({ status, code: denied ? 'UNAUTHORIZED' : `HTTP_${status}`, temporary, message });
}

function parsed(bytes: Buffer): object {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

function failure(details: { status?: number; code: string; temporary: boolean; message: string }): RegistryError {
  return new RegistryError({ op: 'log in', side: 'target', ...details });
}
