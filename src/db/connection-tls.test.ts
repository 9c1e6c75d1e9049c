// TLS connections to a PostgreSQL with test certificates: which servers are trusted, and how rejections are explained.
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { unprivileged } from '../../test/global-setup.ts';
import { explainConnection } from './connection-failure.ts';
import { type Embedded, startEmbedded } from './embedded.ts';

/**
 * Loopback addresses that only this process uses. All embedded servers use the same port, so servers of other processes need
 * other addresses.
 */
const block = `127.${1 + (process.pid % 250)}.${(process.pid >> 8) % 256}`;
const ADDRESS = `${block}.2`;
/** The server also listens on this address, which is not in its certificate. */
const OTHER = `${block}.3`;

let directory: string;
let server: Embedded;
const at = (name: string) => join(directory, name);

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'larder-tls-'));
  chmodSync(directory, 0o711);
  makeAuthority('ca');
  makeAuthority('other');
  makeCertificate('good', ['-days', '2']);
  makeCertificate('expired', ['-days', '-1']);
  writeFileSync(at('junk.pem'), 'not a certificate');
  writeFileSync(at('hba.conf'), 'local all all trust\nhostssl all all 127.0.0.0/8 trust\n');
  mkdirSync(at('live'));
  useCertificate('good');
  const settings = {
    ...{ listen_addresses: `${ADDRESS},${OTHER}`, hba_file: at('hba.conf'), fsync: 'off' },
    ...{ ssl: 'on', ssl_cert_file: at('live/server.crt'), ssl_key_file: at('live/server.key') },
  };
  server = await startEmbedded({ dataDirectory: at('pg'), settings, ...unprivileged() });
}, 120_000);
afterAll(async () => {
  await server?.stop();
  rmSync(directory, { recursive: true, force: true });
});

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore', cwd: directory });
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

function makeAuthority(name: string): void {
  openssl(
    'req',
    '-x509',
    ...KEY,
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.crt`,
  );
}

function makeCertificate(name: string, days: string[]): void {
  writeFileSync(at('san.cnf'), `subjectAltName=IP:${ADDRESS}\n`);
  openssl('req', ...KEY, '-subj', '/CN=db', '-keyout', `${name}.key`, '-out', `${name}.csr`);
  const by = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'san.cnf'];
  openssl('x509', '-req', '-in', `${name}.csr`, ...by, ...days, '-out', `${name}.crt`);
}

/** PostgreSQL accepts a key file only if no other account can read it. */
function useCertificate(name: string): void {
  const account = unprivileged();
  for (const kind of ['crt', 'key']) {
    const file = at(`live/server.${kind}`);
    copyFileSync(at(`${name}.${kind}`), file);
    chmodSync(file, 0o600);
    if (account) chownSync(file, account.uid, account.gid);
  }
}

const urlTo = (query: string, host = ADDRESS) => `postgresql://larder:topsecret@${host}/larder?${query}`;

async function lineFor(url: string): Promise<string | undefined> {
  try {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      const { rows } = await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
      return rows[0].ssl ? 'TLS' : 'no TLS';
    } finally {
      await client.end().catch(() => {});
    }
  } catch (error) {
    return explainConnection(error, url);
  }
}

const CA = () => `sslrootcert=${at('ca.crt')}`;
const UNTRUSTED = `The certificate of the database at ${ADDRESS}:5432 is not trusted: it is self-signed, or its authority is not known here. Add sslrootcert=FILE with the authority's certificate in PEM, or give another LARDER_DATABASE_URL.`;

test('trusts a server with the certificate of its authority, and any server without verification', async () => {
  expect(await lineFor(urlTo(`sslmode=verify-full&${CA()}`))).toBe('TLS');
  expect(await lineFor(urlTo('sslmode=no-verify'))).toBe('TLS');
});

test('rejects an unknown authority and a different one with one line', async () => {
  expect(await lineFor(urlTo('sslmode=verify-full'))).toBe(UNTRUSTED);
  expect(await lineFor(urlTo(`sslmode=verify-full&sslrootcert=${at('other.crt')}`))).toBe(UNTRUSTED);
});

test('explains a connection without TLS to a server that requires it', async () => {
  const line = `The database at ${ADDRESS}:5432 lets this user in only over TLS. Add sslmode=verify-full, or give another LARDER_DATABASE_URL.`;
  expect(await lineFor(urlTo(''))).toBe(line);
});

test('explains a certificate for another name and files that are not certificates', async () => {
  expect(await lineFor(urlTo(`sslmode=verify-full&${CA()}`, OTHER))).toBe(
    `The certificate of the database at ${OTHER}:5432 is for another name. Use a name that it has, give the server a certificate with this one, or give another LARDER_DATABASE_URL.`,
  );
  // Node treats a file without a certificate as an authority that has signed nothing.
  expect(await lineFor(urlTo(`sslmode=verify-full&sslrootcert=${at('junk.pem')}`))).toBe(UNTRUSTED);
  expect(await lineFor(urlTo(`sslmode=no-verify&sslcert=${at('junk.pem')}&sslkey=${at('junk.pem')}`))).toBe(
    `The sslcert or sslkey for the database at ${ADDRESS}:5432 is not a PEM file. Name the right one, or give another LARDER_DATABASE_URL.`,
  );
  expect(await lineFor(urlTo(`sslmode=verify-full&sslrootcert=${at('nothing.pem')}`))).toBe(
    `LARDER_DATABASE_URL names ${at('nothing.pem')}, which cannot be read (ENOENT).`,
  );
});

test('«larder server» and the operator’s commands print only that line', async () => {
  const run = async (file: string, ...args: string[]) => {
    const program = new URL(`../bin/${file}.ts`, import.meta.url).pathname;
    const env = { PATH: process.env['PATH'], LARDER_DATABASE_URL: urlTo('sslmode=require'), LARDER_DATA: at('data') };
    const ended = promisify(execFile)(process.execPath, [program, ...args], { env });
    return await ended.then(
      () => 'done',
      ({ stderr }: { stderr: string }) => stderr,
    );
  };
  expect(await run('server')).toBe(`larder: ${UNTRUSTED}\n`);
  expect(await run('cli', 'organizations')).toBe(`${UNTRUSTED}\n`);
}, 60_000);

test('explains an expired certificate', async () => {
  useCertificate('expired');
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query('select pg_reload_conf()');
  await client.end();
  await vi.waitFor(
    async () =>
      expect(await lineFor(urlTo(`sslmode=verify-full&${CA()}`))).toBe(
        `The certificate of the database at ${ADDRESS}:5432 has expired. Renew it, or give another LARDER_DATABASE_URL.`,
      ),
    { timeout: 20_000 },
  );
}, 60_000);
