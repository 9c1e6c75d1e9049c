// Network errors as sentences: errors of Node's sockets, DNS, TLS and HTTP, and of libraries that wrap these errors.
import { once } from 'node:events';
import { request } from 'node:https';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { describeFault, faultOfCode, faultOfError, type NetworkFault } from './network-faults.ts';

it.each<[string, NetworkFault, string]>([
  ['ENOTFOUND', 'NAME_NOT_FOUND', 'The name of host:1 is not found in the DNS'],
  ['EAI_AGAIN', 'NAME_LOOKUP_FAILED', 'The name of host:1 cannot be looked up at the moment: the DNS does not answer'],
  ['ECONNREFUSED', 'REFUSED', 'host:1 refuses connections: nothing listens there'],
  ['ENETUNREACH', 'UNREACHABLE', 'There is no route to host:1'],
  ['ETIMEDOUT', 'TIMEOUT', 'host:1 does not answer in time'],
  ['ECONNRESET', 'CLOSED', 'host:1 closed the connection without an answer'],
  ['PROXY', 'PROXY_FAILED', 'The proxy does not connect to host:1'],
  ['CERT_HAS_EXPIRED', 'CERTIFICATE_EXPIRED', 'The certificate of host:1 has expired'],
  ['CERT_NOT_YET_VALID', 'CERTIFICATE_NOT_YET_VALID', 'The certificate of host:1 is not valid yet'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'CERTIFICATE_NAME', 'The certificate of host:1 is for another name'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'NO_TLS', 'host:1 does not speak TLS there'],
  ['HPE_INVALID_CONSTANT', 'NO_HTTP', 'host:1 does not speak HTTP there'],
])('%s is %s', (code, fault, sentence) => {
  expect(faultOfCode(code)).toBe(fault);
  expect(describeFault(fault, 'host:1')).toBe(sentence);
});

it('returns undefined for a code that does not concern the network', () => {
  for (const code of ['23505', 'ENOENT', 'toString', 'constructor', '']) expect(faultOfCode(code)).toBeUndefined();
  for (const error of [new TypeError('x is undefined'), 'text', undefined, { code: 'ENOTFOUND' }])
    expect(faultOfError(error)).toBeUndefined();
});

async function failureOf(emitter: NodeJS.EventEmitter): Promise<unknown> {
  const [error] = await once(emitter, 'error');
  return error;
}

it('recognizes a closed port, a name that does not exist, and a server without TLS', async () => {
  expect(faultOfError(await failureOf(connect(1, '127.0.0.1')))).toBe('REFUSED');
  expect(faultOfError(await failureOf(connect(1, 'nowhere.invalid')))).toMatch(/^NAME_/);
  const server = createServer((socket) => socket.on('error', () => {}).end('no TLS here')).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  expect(faultOfError(await failureOf(request({ host: '127.0.0.1', port })))).toBe('NO_TLS');
});

it('recognizes an error that a library wrapped by its errno or its message', async () => {
  const wrapped = Object.assign((await failureOf(connect(1, '127.0.0.1'))) as Error, { code: 'ESOCKET' });
  expect(faultOfError(wrapped)).toBe('REFUSED');
  expect(faultOfError(Object.assign(new Error('self-signed certificate'), { code: 'ESOCKET' }))).toBe(
    'CERTIFICATE_UNTRUSTED',
  );
});
