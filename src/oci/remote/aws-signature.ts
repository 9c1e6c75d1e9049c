// Signs a request to AWS (Signature Version 4, "Create a signed AWS API request" in the IAM user guide).
import { createHash, createHmac } from 'node:crypto';

export type AwsRequest = {
  method: string;
  url: URL;
  /** Headers of the request. The signature covers these headers, the host and the date. */
  headers: Record<string, string>;
  body: string;
};

export type AwsSigner = { access_key: string; secret: string; region: string; service: string; at: Date };

const ALGORITHM = 'AWS4-HMAC-SHA256';

/** Returns the headers to add to the request: X-Amz-Date and Authorization. */
export function signAws(request: AwsRequest, signer: AwsSigner): Record<string, string> {
  const time = signer.at.toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = [time.slice(0, 8), signer.region, signer.service, 'aws4_request'].join('/');
  const headers = canonicalHeaders({ ...request.headers, Host: request.url.host, 'X-Amz-Date': time });
  const names = headers.map(([name]) => name).join(';');
  const canonical = [
    request.method,
    request.url.pathname,
    canonicalQuery(request.url),
    ...headers.map(([name, value]) => `${name}:${value}`),
    '',
    names,
    sha256(request.body),
  ].join('\n');
  const signature = hmac(keyFor(signer, scope), [ALGORITHM, time, scope, sha256(canonical)].join('\n')).toString('hex');
  const credential = `Credential=${signer.access_key}/${scope}`;
  return {
    'X-Amz-Date': time,
    Authorization: `${ALGORITHM} ${credential}, SignedHeaders=${names}, Signature=${signature}`,
  };
}

function canonicalHeaders(headers: Record<string, string>): [string, string][] {
  return Object.entries(headers)
    .map(([name, value]): [string, string] => [name.toLowerCase(), value.trim().replace(/ +/g, ' ')])
    .sort(([one], [other]) => (one < other ? -1 : 1));
}

function canonicalQuery(url: URL): string {
  return [...url.searchParams]
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort()
    .join('&');
}

/** Percent-encodes all characters that RFC 3986 does not call unreserved. These are five more than in encodeURIComponent. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Returns the signing key. It is valid for one day, one region and one service. */
function keyFor({ secret }: AwsSigner, scope: string): Buffer {
  return scope.split('/').reduce<Buffer>((key, part) => hmac(key, part), Buffer.from(`AWS4${secret}`));
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
