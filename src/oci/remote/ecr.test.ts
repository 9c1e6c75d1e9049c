// Amazon's registry, as its documentation describes it. A test API checks each signature, and a real registry accepts the
// token of this API.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DockerRegistry, startDockerRegistry } from '../../../test/docker-registry.ts';
import { createEgress, type Egress } from '../../egress/egress.ts';
import { describeBytes, once as one } from '../manifest.ts';
import { signAws } from './aws-signature.ts';
import { ecrExchange } from './ecr.ts';
import { checkRegistry } from './registry-check.ts';
import { openRegistry } from './remote-repository.ts';

const KEY = { username: 'AKIDEXAMPLE', password: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const TOKEN = { username: 'AWS', password: 'token of twelve hours' };

let server: DockerRegistry;
let api: Server;
let apiUrl: URL;
let egress: Egress;
const asked: string[] = [];
const given = { seconds: 43_200, status: 200 };

beforeAll(async () => {
  server = await startDockerRegistry({ htpasswd: TOKEN });
  api = createServer(async (request, response) => {
    const body = await text(request);
    asked.push(`${request.headers.host} ${request.headers['x-amz-target']}`);
    const status = isSigned(request, body) ? given.status : 400;
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
    const token = Buffer.from(`${TOKEN.username}:${TOKEN.password}`).toString('base64');
    const expiresAt = Date.now() / 1000 + given.seconds;
    const rejection = {
      __type: 'com.amazon.coral.service#InvalidSignatureException',
      message: 'The signature is not right',
    };
    response.end(
      JSON.stringify(status === 200 ? { authorizationData: [{ authorizationToken: token, expiresAt }] } : rejection),
    );
  });
  api.listen(0, '127.0.0.1');
  await once(api, 'listening');
  apiUrl = new URL(`http://127.0.0.1:${(api.address() as AddressInfo).port}`);
  const real = createEgress({ allow: ['127.0.0.1'] });
  // Sends requests for Amazon's API to the test API, with the Host header that was signed.
  egress = {
    ...real,
    request: (url, options) =>
      url.hostname.endsWith('amazonaws.com')
        ? real.request(new URL(url.pathname, apiUrl), {
            ...options,
            headers: { ...options?.headers, Host: url.host } as never,
          })
        : real.request(url, options),
  };
});
afterAll(async () => {
  egress.close();
  api.close();
  await server.stop();
});
beforeEach(() => {
  asked.length = 0;
  Object.assign(given, { seconds: 43_200, status: 200 });
});

/** Checks Signature Version 4 like AWS: with only the request and the secret. */
function isSigned({ method, url, headers }: IncomingMessage, body: string): boolean {
  const found =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/ecr\/aws4_request, SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    );
  const [, key, day = '', region = '', names = '', signature = ''] = found ?? [];
  const time = String(headers['x-amz-date']);
  if (key !== KEY.username || !names.split(';').includes('host') || !time.startsWith(day)) return false;
  const hash = (value: string) => createHash('sha256').update(value).digest('hex');
  const mac = (secret: string | Buffer, value: string) => createHmac('sha256', secret).update(value).digest();
  const lines = names.split(';').map((name) => `${name}:${headers[name]}\n`);
  const canonical = `${method}\n${url}\n\n${lines.join('')}\n${names}\n${hash(body)}`;
  const toSign = `AWS4-HMAC-SHA256\n${time}\n${day}/${region}/ecr/aws4_request\n${hash(canonical)}`;
  const signing = mac(mac(mac(mac(`AWS4${KEY.password}`, day), region), 'ecr'), 'aws4_request');
  return timingSafeEqual(mac(signing, toSign), Buffer.from(signature, 'hex'));
}

const open = (credentials = KEY) =>
  openRegistry({
    url: server.url,
    credentials,
    exchangeCredentials: ecrExchange(egress, { region: 'eu-central-1', domain: 'amazonaws.com' }),
    egress,
    retry: { tries: 1, firstWaitMs: 1 },
  });

describe('the signature', () => {
  it("matches AWS's published example", () => {
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8' };
    const url = new URL('https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08');
    const signer = {
      access_key: KEY.username,
      secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
      region: 'us-east-1',
    };
    const at = new Date('2015-08-30T12:36:00Z');
    expect(signAws({ method: 'GET', url, headers, body: '' }, { ...signer, service: 'iam', at })).toEqual({
      'X-Amz-Date': '20150830T123600Z',
      Authorization:
        'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
    });
  });
});

describe('the token', () => {
  it('is requested once and sent to the registry', async () => {
    const repository = open().repository('team/app');
    for (const word of ['one', 'two']) {
      const bytes = Buffer.from(word);
      await repository.push(describeBytes('application/octet-stream', bytes), async () => one(bytes));
    }
    expect(asked).toEqual([
      'api.ecr.eu-central-1.amazonaws.com AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken',
    ]);
  });

  it('is renewed before its expiry', async () => {
    given.seconds = 60;
    const registry = open();
    await registry.ping();
    await registry.ping();
    expect(asked.length).toBe(2);
  });

  it('is not issued for a wrong key, and the error does not contain the key', async () => {
    const wrong = { username: KEY.username, password: 'not the secret' };
    const error = await open(wrong)
      .ping()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ status: 400, code: 'UNAUTHORIZED', temporary: false });
    expect(String(error)).toContain('InvalidSignatureException');
    expect(String(error)).not.toContain(wrong.password);
    const exchangeCredentials = ecrExchange(egress, { region: 'eu-central-1', domain: 'amazonaws.com' });
    const cause = await checkRegistry({ url: server.url, credentials: wrong, exchangeCredentials, egress });
    expect(cause).toMatch(/rejects the credentials/);
  });

  it('fails with a temporary error if the API is busy', async () => {
    given.status = 503;
    await expect(open().ping()).rejects.toMatchObject({ temporary: true });
  });
});
