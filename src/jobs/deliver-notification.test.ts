// Deliveries of events to a real mail server and to chats over HTTP, with temporary and permanent failures.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { recordRegistryHealth } from '../catalog/registry-checks.ts';
import type { NotificationDelivery } from '../contract/notification-provider.ts';
import { inTransaction } from '../db/database.ts';
import { JobPostponed } from '../db/queue-worker.ts';
import { createEgress, type Egress } from '../egress/egress.ts';
import { openLog } from '../log.ts';
import { recordNotificationEvent } from '../notify/notification-events.ts';
import { deliverNotification, tendNotifications } from './deliver-notification.ts';

const PROVIDERS = '/v1/notification-providers';
const TOKEN = 'xoxb-1234567890-secret';
const mails: { to: string[]; text: string }[] = [];
const lines: string[] = [];
const chat = {
  seen: [] as { path: string; authorization: string | undefined; body: Record<string, unknown> }[],
  answer: { status: 200, body: { ok: true } as object, headers: {} as Record<string, string> },
};

let api: TestApi;
let egress: Egress;
let receiver: Server;
let mail: SMTPServer;
let chatUrl: string;
let smtpUrl: string;

beforeAll(async () => {
  api = await openTestApi();
  egress = createEgress({ allow: ['127.0.0.1'] });
  receiver = createServer((request, response) => {
    void note(request).then(() => {
      response.writeHead(chat.answer.status, { 'Content-Type': 'application/json', ...chat.answer.headers });
      response.end(JSON.stringify(chat.answer.body));
    });
  });
  chatUrl = `http://127.0.0.1:${await portOf(receiver.listen(0, '127.0.0.1'))}`;
  mail = new SMTPServer({
    hideSTARTTLS: true,
    allowInsecureAuth: true,
    authOptional: true,
    onAuth: ({ username, password }, _session, done) =>
      password === 'right' ? done(null, { user: username }) : done(new Error('Invalid username or password')),
    onRcptTo: ({ address }, _session, done) =>
      done(address.startsWith('nobody') ? Object.assign(new Error('No such user'), { responseCode: 550 }) : null),
    onData: (stream, session, done) => {
      void text(stream).then((said) => {
        mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), text: said });
        done();
      });
    },
  });
  mail.on('error', () => {});
  smtpUrl = `smtp://larder:right@127.0.0.1:${await portOf(mail.listen(0, '127.0.0.1'))}`;
}, 60_000);
afterAll(async () => {
  egress.close();
  receiver.close();
  await new Promise<void>((resolve) => mail.close(() => resolve()));
  await api.close();
});
beforeEach(async () => {
  mails.length = 0;
  chat.seen.length = 0;
  chat.answer = { status: 200, body: { ok: true }, headers: {} };
  await api.database.pool.query('delete from queue.job');
  await api.database.pool.query('delete from notification_events');
  await api.database.pool.query('delete from notification_providers');
});

async function portOf(server: NetServer): Promise<number> {
  if (server.address() === null) await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function note(request: IncomingMessage): Promise<void> {
  const body = JSON.parse(await text(request)) as Record<string, unknown>;
  chat.seen.push({ path: request.url ?? '', authorization: request.headers.authorization, body });
}

type Ways = { smtp?: string | undefined; chat?: string };

const resources = (ways: Ways = {}) => ({
  db: api.database.db,
  identity: api.identity,
  egress,
  log: openLog({ level: 'debug', destination: { write: (line: string) => lines.push(line) } }),
  config: {
    notifications: {
      ...(ways.smtp !== '' && { smtp: { url: ways.smtp ?? smtpUrl, from: 'Larder <larder@example.org>' } }),
      slackUrl: ways.chat ?? chatUrl,
      googleChatUrl: ways.chat ?? chatUrl,
    },
  },
});

/** Delivers the pending notifications. Returns the pause in seconds of each delivery that was postponed. */
async function work(ways: Ways = {}): Promise<number[]> {
  const found = await api.database.pool.query<{ id: string }>(
    `select id from notification_deliveries where status = 'PENDING' order by created_at, id`,
  );
  const pauses: number[] = [];
  for (const { id } of found.rows) {
    const signal = new AbortController().signal;
    await deliverNotification(resources(ways), { delivery_id: id }, { signal }).catch((error: unknown) => {
      if (!(error instanceof JobPostponed)) throw error;
      pauses.push(error.seconds);
    });
  }
  return pauses;
}

async function provide(body: object): Promise<string> {
  return String((await api.ask('POST', PROVIDERS, { body: { name: 'ours', ...body } })).headers['location']);
}
const email = (recipients: string[] = ['jane@example.org']) => provide({ type: 'EMAIL', recipients });
const slack = () => provide({ type: 'SLACK', token: TOKEN, channel_id: 'C0123456789' });

async function deliveries(provider: string): Promise<NotificationDelivery[]> {
  return (await api.ask('GET', `/larder${provider}/deliveries`)).json().items;
}

let count = 0;
const happen = (application = 'redis 7.0', key = `eol:${count++}`) =>
  inTransaction(api.database.db, (tx) =>
    recordNotificationEvent(tx, {
      organization_id: api.acme.id,
      key,
      event: { type: 'APPLICATION_EOL', catalog_id: api.acme.catalog_id, application_id: 'a', application },
    }),
  );

describe('mail', () => {
  test('arrives once per event, with its own Message-ID and without headers from the event', async () => {
    const provider = await email(['jane@example.org', 'joe@example.org']);
    await happen('redis\r\nBcc: all@example.org', 'once');
    await happen('redis', 'once');
    expect(await work()).toEqual([]);
    await work();
    const [delivery] = await deliveries(provider);
    expect(delivery).toMatchObject({ type: 'APPLICATION_EOL', status: 'DELIVERED', attempts: 1 });
    expect(mails.map(({ to }) => to)).toEqual([['jane@example.org', 'joe@example.org']]);
    const head = mails[0]?.text.split('\r\n\r\n')[0] ?? '';
    expect(head).toContain(`Message-ID: <${delivery?.id}@example.org>`);
    expect(head).toContain('Subject: [Larder] redis Bcc: all@example.org reaches its end of life');
    expect(head).not.toMatch(/^bcc:/im);
  });

  test('goes to the owners without recipients: to their addresses, or to names that are addresses', async () => {
    const provider = await provide({ type: 'EMAIL' });
    await happen();
    await work();
    expect((await deliveries(provider))[0]).toMatchObject({ status: 'FAILED', attempts: 1 });
    await api.database.pool.query(`update users set name = 'jane@acme.example' where organization_id = $1`, [
      api.acme.id,
    ]);
    await happen();
    await work();
    await api.database.pool.query(
      `update users set name = 'jane', email = 'jane.doe@acme.example' where organization_id = $1`,
      [api.acme.id],
    );
    await happen();
    await work();
    await api.database.pool.query('update users set email = null where organization_id = $1', [api.acme.id]);
    expect(mails.map(({ to }) => to)).toEqual([['jane@acme.example'], ['jane.doe@acme.example']]);
  });

  test('is postponed while the server is unavailable, and fails if it rejects the credentials', async () => {
    const provider = await email();
    await happen();
    expect(await work({ smtp: 'smtp://127.0.0.1:1' })).toEqual([30]);
    expect(await work({ smtp: 'smtp://127.0.0.1:1' })).toEqual([60]);
    const [waiting] = await deliveries(provider);
    expect(waiting).toMatchObject({
      status: 'PENDING',
      attempts: 2,
      last_error: expect.stringContaining('refuses connections'),
    });
    expect(await work()).toEqual([]);
    expect((await deliveries(provider))[0]).toMatchObject({ status: 'DELIVERED', attempts: 3 });
    await happen();
    await work({ smtp: smtpUrl.replace('right', 'wr0ng') });
    const [rejected] = await deliveries(provider);
    expect(rejected).toMatchObject({ status: 'FAILED', last_error: expect.stringContaining('user name and password') });
    expect(JSON.stringify([rejected, lines])).not.toContain('wr0ng');
    await happen();
    await work({ smtp: '' });
    expect((await deliveries(provider))[0]?.last_error).toContain('no mail server');
  });

  test('names the rejected addresses', async () => {
    const provider = await email(['jane@example.org', 'nobody@example.org']);
    await happen();
    await work();
    const partly = { status: 'DELIVERED', last_error: 'The mail server rejected nobody@example.org.' };
    expect((await deliveries(provider))[0]).toMatchObject(partly);
    await api.ask('PATCH', provider, { body: { type: 'EMAIL', recipients: ['nobody@example.org'] } });
    await happen();
    await work();
    expect((await deliveries(provider))[0]).toMatchObject({ status: 'FAILED', attempts: 1 });
  });

  test('sends no password without TLS to a remote server', async () => {
    const provider = await email();
    await happen();
    const port = new URL(smtpUrl).port;
    expect(await work({ smtp: `smtp://larder:right@127.0.0.1.nip.invalid:${port}` })).toEqual([30]);
    expect((await deliveries(provider))[0]).toMatchObject({ status: 'PENDING' });
    expect(mails).toEqual([]);
  });
});

describe('chat', () => {
  test('sends Slack plain text with the delivery’s id and escaped markup', async () => {
    const provider = await slack();
    await happen('<!channel> & *redis*');
    await work();
    const [delivery] = await deliveries(provider);
    expect(delivery?.status).toBe('DELIVERED');
    expect(chat.seen).toEqual([
      {
        path: '/api/chat.postMessage',
        authorization: `Bearer ${TOKEN}`,
        body: expect.objectContaining({ channel: 'C0123456789', mrkdwn: false, client_msg_id: delivery?.id }),
      },
    ]);
    expect(chat.seen[0]?.body['text']).toContain('&lt;!channel&gt; &amp; *redis* reaches');
  });

  test('sends Google Chat the message through the webhook', async () => {
    const provider = await provide({ type: 'GOOGLE_CHAT', space_id: 'AAA/..', key: 'key12345', token: 'tok+en/12345' });
    await happen('<users/all> *redis*');
    await work();
    const [delivery] = await deliveries(provider);
    expect(delivery?.status).toBe('DELIVERED');
    const url = new URL(chat.seen[0]?.path ?? '', chatUrl);
    expect(url.pathname).toBe('/v1/spaces/AAA%2F../messages');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      key: 'key12345',
      token: 'tok+en/12345',
      requestId: delivery?.id,
    });
    expect(String(chat.seen[0]?.body['text'])).toContain('‹users/all› ∗redis∗');
  });

  test('retries temporary errors after the pause that the chat names, and fails for permanent ones', async () => {
    const provider = await slack();
    await happen();
    chat.answer = { status: 429, body: {}, headers: { 'Retry-After': '120' } };
    expect(await work()).toEqual([120]);
    chat.answer = { status: 503, body: {}, headers: {} };
    expect(await work()).toEqual([60]);
    chat.answer = { status: 200, body: { ok: false, error: 'internal_error' }, headers: {} };
    expect(await work()).toEqual([120]);
    expect(await work({ chat: 'http://127.0.0.1:1' })).toEqual([240]);
    chat.answer = { status: 200, body: { ok: true }, headers: {} };
    expect(await work()).toEqual([]);
    expect((await deliveries(provider))[0]).toMatchObject({ status: 'DELIVERED', attempts: 5 });
    for (const answer of [
      { status: 200, body: { ok: false, error: 'invalid_auth' }, headers: {} },
      { status: 404, body: {}, headers: {} },
      { status: 302, body: {}, headers: { Location: 'http://127.0.0.1/' } },
    ]) {
      chat.answer = answer;
      await happen();
      expect(await work()).toEqual([]);
      expect((await deliveries(provider))[0]).toMatchObject({ status: 'FAILED', attempts: 1 });
    }
    expect((await api.ask('GET', `/larder${provider}/deliveries?status=FAILED`)).json().total_size).toBe(3);
    expect(lines.join('')).not.toContain(TOKEN);
  });

  test('fails after ten attempts, and at once for an address that is not allowed', async () => {
    const provider = await slack();
    await happen();
    chat.answer = { status: 500, body: {}, headers: {} };
    for (let tries = 0; tries < 9; tries++) expect(await work()).toHaveLength(1);
    expect(await work()).toEqual([]);
    const [given] = await deliveries(provider);
    expect(given).toMatchObject({ status: 'FAILED', attempts: 10, last_error: expect.stringContaining('10 times') });
    await happen();
    expect(await work({ chat: 'http://127.0.0.2:1' })).toEqual([]);
    expect((await deliveries(provider))[0]?.last_error).toContain('LARDER_EGRESS_ALLOW');
  });

  test('fails with the id of the delivery if this version cannot read the stored event', async () => {
    const provider = await slack();
    await happen();
    await api.database.pool.query(`update notification_events set event = event - 'application'`);
    expect(await work()).toEqual([]);
    expect(chat.seen).toEqual([]);
    const [given] = await deliveries(provider);
    expect(given).toMatchObject({ status: 'FAILED', attempts: 1 });
    expect(given?.last_error).toContain(`The stored notification ${given?.id} cannot be read`);
  });

  test('is sent by one worker at a time', async () => {
    const provider = await slack();
    await happen();
    const pauses = await Promise.all([work(), work(), work()]);
    expect(chat.seen).toHaveLength(1);
    expect(pauses.flat().every((pause) => pause === 10)).toBe(true);
    expect((await deliveries(provider))[0]).toMatchObject({ status: 'DELIVERED', attempts: 1 });
  });
});

describe('the recorded notifications', () => {
  test('are of the types that the provider enables; a disabled or deleted provider gets none', async () => {
    const provider = await slack();
    const id = provider.split('/').at(-1);
    const configurations = [{ provider_id: id, enabled_notifications: ['APPLICATION_UNSUPPORTED'] }];
    await api.ask('PUT', `${PROVIDERS}/notification-types`, { body: { configurations } });
    await happen();
    expect(await deliveries(provider)).toEqual([]);
    const all = [{ provider_id: id, enabled_notifications: ['APPLICATION_EOL'] }];
    await api.ask('PUT', `${PROVIDERS}/notification-types`, { body: { configurations: all } });
    await happen();
    await api.ask('PATCH', provider, { body: { type: 'SLACK', enabled: false } });
    await happen();
    expect(await deliveries(provider)).toHaveLength(1);
    await api.ask('DELETE', provider);
    await work();
    expect((await deliveries(provider))[0]).toMatchObject({ status: 'FAILED', attempts: 0 });
    expect(chat.seen).toEqual([]);
  });

  test('contain one for a registry that becomes unhealthy and one for its recovery', async () => {
    const provider = await slack();
    const body = { name: 'peer', description: '', provider: 'OCI', url: 'https://r.example', access_secret: 's' };
    const made = await api.ask('POST', '/v1/registries', { body });
    const registry_id = String(made.headers['location']).split('/').at(-1) ?? '';
    for (const unhealthy_cause of [undefined, 'It is away', 'It is away', undefined, undefined]) {
      const health = { registry_id, ...(unhealthy_cause !== undefined && { unhealthy_cause }) };
      await inTransaction(api.database.db, (tx) => recordRegistryHealth(tx, health));
    }
    await work();
    expect((await deliveries(provider)).map(({ type }) => type)).toEqual([
      'REGISTRY_HEALTH_CHANGES',
      'REGISTRY_HEALTH_CHANGES',
    ]);
    const said = chat.seen.map(({ body: { text: one } }) => String(one).split('\n')[0]).sort();
    expect(said).toEqual(['Registry peer can be used again', 'Registry peer cannot be used']);
  });

  test('stay the same if the schedule runs twice', async () => {
    await slack();
    await tendNotifications(resources());
    await tendNotifications(resources());
    expect(await work()).toEqual([]);
  });
});
