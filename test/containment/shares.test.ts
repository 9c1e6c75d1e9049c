// One client or one organization opens as many uploads, transfers and connections as it can. Other clients must still be
// served.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  BODY_RATE_WINDOW_MS,
  CONNECTIONS_PER_ADDRESS_MAX,
  HEADERS_TIMEOUT_MS,
  PENDING_PER_ADDRESS_MAX,
  UPLOAD_LIMITS,
} from '../../src/http/limits.ts';
import { PUSH_LIMITS } from '../../src/registry/transfer-shares.ts';
import { closeAll, headOf, openMany, openRaw, type RawConnection, sendRepeatedly } from '../raw-connection.ts';
import { digestOf } from '../registry.ts';
import { type Ground, openSharesGround, type Tenant } from './shares-ground.ts';

const ATTACKER = '127.0.0.2';
const OTHER = '127.0.0.3';
const PATIENCE = { timeout: 20_000 };

let ground: Ground;
let acme: Tenant;
let rival: Tenant;
let third: Tenant;
beforeAll(async () => {
  ground = await openSharesGround();
  [acme, rival, third] = ground.tenants;
});
afterAll(() => ground.close());

const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

describe('an attacker tries to use up the uploads', () => {
  test('of the service, as one organization from many addresses', async () => {
    const { organization } = UPLOAD_LIMITS;
    const slow = times(organization / 2, () => [
      ground.startUpload(acme, ATTACKER),
      ground.startUpload(acme, OTHER),
    ]).flat();
    const rejected = await vi.waitFor(async () => {
      const answer = await ground.upload(acme);
      expect(answer.status).toBe(429);
      return answer;
    }, PATIENCE);
    expect(rejected.retryAfter).toBe('10');
    expect(JSON.parse(rejected.body)).toMatchObject({
      type: '/problems/share-used-up',
      detail: expect.stringMatching(`^${organization} uploads of your organization are running`),
    });
    for (const from of ['127.0.0.1', ATTACKER]) expect((await ground.upload(rival, from)).status).toBe(400);
    closeAll(slow);
    await vi.waitFor(async () => expect((await ground.upload(acme)).status).toBe(400), PATIENCE);
  });

  test('of all clients behind one address, as two organizations', async () => {
    const { organization, address } = UPLOAD_LIMITS;
    expect(address).toBe(2 * organization);
    const slow = times(organization, () => [ground.startUpload(acme, ATTACKER), ground.startUpload(rival, ATTACKER)]);
    for (const full of [acme, rival]) {
      await vi.waitFor(async () => expect((await ground.upload(full, OTHER)).status).toBe(429), PATIENCE);
    }
    // The first upload of an organization is accepted, even if its address has used up its share.
    const first = ground.startUpload(third, ATTACKER);
    const rejected = await vi.waitFor(async () => {
      const answer = await ground.upload(third, ATTACKER);
      expect(answer.status).toBe(429);
      return answer;
    }, PATIENCE);
    expect(JSON.parse(rejected.body).detail).toMatch(`${address} uploads from your address are running`);
    expect((await ground.upload(third)).status).toBe(400);
    closeAll([...slow.flat(), first]);
    await vi.waitFor(async () => expect((await ground.upload(third, ATTACKER)).status).toBe(400), PATIENCE);
  });

  test('of the hosted registry, by pushes that never end', async () => {
    const slow = times(PUSH_LIMITS.organization, () => openRaw(ground.port, { from: ATTACKER, first: slowPush(acme) }));
    const rejected = await vi.waitFor(async () => {
      const answer = await push(acme);
      expect(answer.status).toBe(429);
      return answer;
    }, PATIENCE);
    expect(rejected.retryAfter).toBe('10');
    expect(JSON.parse(rejected.body).errors[0]).toMatchObject({
      code: 'TOOMANYREQUESTS',
      message: `${PUSH_LIMITS.organization} pushes of this organization are running, which is the limit`,
    });
    expect((await push(rival)).status).toBe(201);
    closeAll(slow);
    await vi.waitFor(async () => expect((await push(acme)).status).toBe(201), PATIENCE);
  });
});

function slowPush({ namespace, registry: authorization }: Tenant): string {
  const path = `/v2/${namespace}/slow/blobs/uploads/?digest=${digestOf('never')}`;
  return `${headOf('POST', path, { authorization, 'content-length': 1_000_000 })}x`;
}

async function push({ namespace, registry: authorization }: Tenant) {
  const path = `/v2/${namespace}/small/blobs/uploads/?digest=${digestOf('small')}`;
  return await ground.ask('POST', path, { authorization, body: 'small' });
}

describe('an attacker tries to use up the connections', () => {
  const openOf = (connections: RawConnection[]) => connections.filter((one) => !one.isEnded()).length;
  const isServed = async () => expect((await ground.ask('GET', '/livez')).status).toBe(200);

  test('by 2,100 half-sent headers from one address', async () => {
    const first = 'GET /livez HTTP/1.1\r\nx: ';
    const half = await openMany(2100, { open: () => openRaw(ground.port, { from: ATTACKER, first }), ask: isServed });
    await vi.waitFor(() => expect(openOf(half)).toBeLessThanOrEqual(CONNECTIONS_PER_ADDRESS_MAX), PATIENCE);
    await isServed();
    // Late connections have a smaller share. So another client behind the attacker's address can still be served.
    await vi.waitFor(() => expect(openOf(half)).toBe(PENDING_PER_ADDRESS_MAX), PATIENCE);
    expect((await ground.ask('GET', '/livez', { from: ATTACKER })).status).toBe(200);
    closeAll(half);
  });

  test('by connections that it keeps open after one request', async () => {
    const open = () => openRaw(ground.port, { from: OTHER, first: headOf('GET', '/livez') });
    const kept = await openMany(CONNECTIONS_PER_ADDRESS_MAX + 100, { open, ask: isServed });
    const settled = () => kept.every((one) => one.isEnded() || one.received().startsWith('HTTP/1.1 200 '));
    await vi.waitFor(() => expect(settled()).toBe(true), PATIENCE);
    expect(openOf(kept)).toBe(CONNECTIONS_PER_ADDRESS_MAX);
    await isServed();
    closeAll(kept);
    await vi.waitFor(async () => {
      expect((await ground.ask('GET', '/livez', { from: OTHER })).status).toBe(200);
    }, PATIENCE);
  });
});

describe.concurrent('an attacker sends single bytes to hold', () => {
  const MARGIN_MS = 5_000;

  test('a connection that waits for a header', async () => {
    const connection = openRaw(ground.port, { first: 'GET /livez HTTP/1.1\r\nx: ' });
    sendRepeatedly(connection, { everyMs: 100 });
    expect(await connection.closed).toBeLessThan(HEADERS_TIMEOUT_MS + MARGIN_MS);
    expect(connection.received()).toMatch(/^HTTP\/1.1 408 .*\/problems\/timeout"/s);
  });

  test.each<[string, () => RawConnection]>([
    ['an upload', () => ground.startUpload(acme, ATTACKER)],
    ['a push', () => openRaw(ground.port, { from: ATTACKER, first: slowPush(acme) })],
    ['the endpoint that makes registry tokens', () => openRaw(ground.port, { first: POST_TOKEN })],
  ])('%s', async (_what, start) => {
    const connection = start();
    sendRepeatedly(connection, { everyMs: 100 });
    expect(await connection.closed).toBeLessThan(BODY_RATE_WINDOW_MS + MARGIN_MS);
    expect(connection.received()).toMatch(/^HTTP\/1.1 408 .*\/problems\/timeout".*less than 1024 bytes a second/s);
  });

  test('the rest of an upload that was rejected', async () => {
    const connection = ground.startUpload({ ...acme, api: 'Bearer none' });
    sendRepeatedly(connection, { everyMs: 100 });
    expect(await connection.closed).toBeLessThan(BODY_RATE_WINDOW_MS + MARGIN_MS);
    expect(connection.received()).toMatch(/^HTTP\/1.1 401 /);
  });

  test('nothing: a slow honest upload is read to its end', async () => {
    const connection = ground.startUpload(rival);
    sendRepeatedly(connection, { everyMs: 100, piece: 'x'.repeat(200) });
    const ended = await Promise.race([connection.closed, pastWindow()]);
    expect([ended, connection.received()]).toEqual(['still open', '']);
    connection.socket.destroy();
  });

  const pastWindow = () => new Promise((resolve) => setTimeout(resolve, BODY_RATE_WINDOW_MS + MARGIN_MS, 'still open'));
});

const POST_TOKEN = headOf('POST', '/v2/token', { 'content-length': 60_000 });
