// Mail over TLS to a real server, with STARTTLS and with smtps. Untrusted certificates are rejected, and passwords are not
// sent without TLS.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeSelfSigned } from '../../test/self-signed.ts';
import { sendMail } from './mail.ts';

const FROM = 'Larder <larder@example.org>';
const MESSAGE = { title: 'Test message', lines: ['It arrives.'] };

let directory: string;
let pair: { key: Buffer; cert: Buffer };
const servers: SMTPServer[] = [];
const trusted = getCACertificates('default');
/** The messages that the server received. */
const arrived: { secure: boolean; user: unknown; text: string }[] = [];
let logIns = 0;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'larder-mail-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  makeSelfSigned({ key, cert }, 'localhost', 'DNS:localhost,IP:127.0.0.1');
  pair = { key: readFileSync(key), cert: readFileSync(cert) };
});

/**
 * Creates a certificate with this name and validity. It is signed by the test's own certificate, which Larder trusts after
 * `trust()`.
 */
function signed(name: string, [from, to]: [string, string]): { key: Buffer; cert: Buffer } {
  const file = (what: string) => join(directory, `${name}-${from}-${what}`);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore', cwd: directory });
  openssl(
    ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file('key')],
    ...['-subj', `/CN=${name}`, '-out', file('request')],
  );
  writeFileSync(file('extensions'), `subjectAltName=DNS:${name}\n`);
  writeFileSync(file('index'), '');
  const settings = ['[ca]', 'default_ca=own', '[own]', `database=${file('index')}`, 'policy=any', 'default_md=sha256'];
  writeFileSync(file('config'), [...settings, 'rand_serial=yes', '[any]', 'commonName=supplied'].join('\n'));
  openssl(
    ...['ca', '-batch', '-notext', '-config', file('config'), '-outdir', directory],
    ...['-cert', 'cert.pem', '-keyfile', 'key.pem', '-extfile', file('extensions')],
    ...['-startdate', from, '-enddate', to, '-in', file('request'), '-out', file('cert')],
  );
  return { key: readFileSync(file('key')), cert: readFileSync(file('cert')) };
}
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(async () => {
  setDefaultCACertificates(trusted);
  arrived.length = 0;
  logIns = 0;
  await Promise.all(servers.splice(0).map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
});

/** Starts a mail server that knows one user. Returns its port. */
async function serve(options: SMTPServerOptions): Promise<number> {
  const server = new SMTPServer({
    ...pair,
    onAuth: ({ username, password }, _session, done) => {
      logIns += 1;
      return password === 'r/ght' ? done(null, { user: username }) : done(new Error('Invalid'));
    },
    onData: (stream, session, done) => {
      void text(stream).then((said) => {
        arrived.push({ secure: session.secure, user: session.user, text: said });
        done();
      });
    },
    ...options,
  });
  // Clients that close the connection during the handshake cause this event. Without a listener, it would end the process.
  server.on('error', () => {});
  servers.push(server);
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  return (listening.address() as AddressInfo).port;
}

const send = (url: string) =>
  sendMail(MESSAGE, { url, from: FROM }, { to: ['jane@example.org'], id: 'one', at: new Date(0) });

/** Makes this process trust the test's certificate, like NODE_EXTRA_CA_CERTS. */
function trust(): void {
  setDefaultCACertificates([...trusted, pair.cert.toString()]);
}

describe.each([
  { scheme: 'smtp', how: 'STARTTLS', options: {} },
  { scheme: 'smtps', how: 'TLS from the first byte', options: { secure: true } },
])('$scheme', ({ scheme, how, options }) => {
  test(`sends mail and password by ${how}`, async () => {
    const port = await serve(options);
    trust();
    expect(await send(`${scheme}://larder:r%2Fght@localhost:${port}`)).toEqual([]);
    expect(arrived).toEqual([{ secure: true, user: 'larder', text: expect.stringContaining('It arrives.') }]);
  });

  test('reports an untrusted certificate, and sends nothing', async () => {
    const port = await serve(options);
    await expect(send(`${scheme}://larder:r%2Fght@localhost:${port}`)).rejects.toMatchObject({
      // The owner of a provider reads this text. It must say what is wrong and what to do.
      message: expect.stringContaining('is not trusted: it is self-signed, or its authority is not known here.'),
      temporary: true,
    });
    expect([arrived, logIns]).toEqual([[], 0]);
  });

  test.each<[string, string, [string, string], string]>([
    ['has expired', 'localhost', ['20200101000000Z', '20200201000000Z'], 'has expired. The administrator of the mail'],
    ['is not valid yet', 'localhost', ['20980101000000Z', '20990101000000Z'], 'is not valid yet. The administrator'],
    ['has another name', 'mail.example', ['20200101000000Z', '20990101000000Z'], 'is for another name. The operator'],
  ])('reports a certificate that %s, and the remedy', async (_, name, validity, words) => {
    const port = await serve({ ...options, ...signed(name, validity) });
    trust();
    const rejected = await send(`${scheme}://larder:r%2Fght@localhost:${port}`).catch((error: unknown) => error);
    expect(rejected).toMatchObject({ temporary: true, message: expect.stringContaining(words) });
    // The text is stored with the delivery. It must be one short line.
    expect((rejected as Error).message.length).toBeLessThan(200);
    expect([arrived, logIns]).toEqual([[], 0]);
  });

  test('reports a rejected password without repeating it', async () => {
    const port = await serve(options);
    trust();
    const rejected = await send(`${scheme}://larder:wr0ng@localhost:${port}`).catch((error: unknown) => error);
    expect(rejected).toMatchObject({ temporary: false, message: expect.stringContaining('user name and password') });
    expect(JSON.stringify([rejected, String(rejected)])).not.toContain('wr0ng');
  });
});

describe('a server that sends a byte now and then', () => {
  let server: Server;
  let connections: Socket[];
  beforeEach(async () => {
    connections = [];
    server = createServer((socket) => {
      connections.push(socket);
      socket.on('error', () => {});
      // The server begins a reply and never ends it. RFC 5321 allows a reply with many lines.
      const dripping = setInterval(() => socket.write('220-'), 20);
      socket.on('close', () => clearInterval(dripping));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(() => server.close());
  const mail = (options: { timeoutMs?: number; signal?: AbortSignal }) =>
    sendMail(
      MESSAGE,
      { url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`, from: FROM },
      { to: ['jane@example.org'], id: 'one', at: new Date(0), ...options },
    );

  test('is disconnected after the time limit of a delivery', async () => {
    await expect(mail({ timeoutMs: 300 })).rejects.toMatchObject({
      message: 'The mail server did not accept the message within 0.3 seconds',
      temporary: true,
    });
    const [connection] = connections;
    if (connection?.destroyed === false) await once(connection, 'close');
  });

  test('is disconnected when the worker stops', async () => {
    const stop = new AbortController();
    const sending = mail({ signal: stop.signal });
    await once(server, 'connection');
    stop.abort(new Error('the worker stops'));
    await expect(sending).rejects.toThrow('the worker stops');
  });
});

test('a password is not sent to a server on another machine that offers no STARTTLS', async () => {
  const port = await serve({ hideSTARTTLS: true, allowInsecureAuth: true });
  // This address leads to this machine, but is not recognized as local.
  const mapped = `smtp://larder:r%2Fght@[::ffff:127.0.0.1]:${port}`;
  await expect(send(mapped)).rejects.toMatchObject({ temporary: true });
  expect([arrived, logIns]).toEqual([[], 0]);
});
