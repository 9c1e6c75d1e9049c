// A token server for a real registry, as the token specification of the distribution project describes it.
import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeSelfSigned } from './self-signed.ts';

export type TokenServer = {
  /** The configuration of the registry. */
  token: { realm: string; service: string; issuer: string; certificate: string };
  /** The scopes of each issued token, in order. */
  given: string[][];
  /** The lifetime of a token in seconds. `said` is in the answer, and `real` is in the token itself. */
  lifetime: { said: number; real: number };
  stop(): Promise<void>;
};

const SERVICE = 'registry.test';
const ISSUER = 'tokens.test';

/** Starts a server that issues tokens to one user, for every requested scope. */
export async function startTokenServer(user: { username: string; password: string }): Promise<TokenServer> {
  const { key, certificate } = await makeKey();
  const expected = `Basic ${Buffer.from(`${user.username}:${user.password}`).toString('base64')}`;
  const server = createServer((request, response) => {
    if (request.headers.authorization !== expected) {
      response.writeHead(401).end();
      return;
    }
    const scopes = scopesOf(request);
    tokens.given.push(scopes);
    const token = makeToken(scopes, { key, certificate, seconds: tokens.lifetime.real });
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ token, expires_in: tokens.lifetime.said }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  const tokens: TokenServer = {
    token: { realm, service: SERVICE, issuer: ISSUER, certificate },
    given: [],
    lifetime: { said: 300, real: 300 },
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return tokens;
}

function scopesOf(request: IncomingMessage): string[] {
  return new URL(request.url ?? '/', 'http://token').searchParams.getAll('scope');
}

async function makeKey(): Promise<{ key: string; certificate: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'larder-token-'));
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  makeSelfSigned({ key, cert: certificate }, 'tokens');
  const made = { key: await readFile(key, 'utf8'), certificate: await readFile(certificate, 'utf8') };
  await rm(directory, { recursive: true });
  return made;
}

function makeToken(
  scopes: string[],
  { key, certificate, seconds }: { key: string; certificate: string; seconds: number },
): string {
  const now = Math.floor(Date.now() / 1000);
  const chain = [new X509Certificate(certificate).raw.toString('base64')];
  const access = scopes.map((scope) => {
    const [type, name, actions = ''] = scope.split(':');
    return { type, name, actions: actions.split(',') };
  });
  const claims = {
    iss: ISSUER,
    aud: SERVICE,
    sub: 'larder',
    jti: randomUUID(),
    nbf: now - 60,
    iat: now,
    exp: now + seconds,
    access,
  };
  const signed = [{ typ: 'JWT', alg: 'ES256', x5c: chain }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature = sign('sha256', Buffer.from(signed), { key: createPrivateKey(key), dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}
