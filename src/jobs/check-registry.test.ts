// Checks of real registries, on request and on schedule, and their results in the API. Only one check of a registry runs at a
// time.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { type DockerRegistry, startDockerRegistry } from '../../test/docker-registry.ts';
import { type FaultyProxy, startFaultyProxy } from '../../test/faulty-proxy.ts';
import { until } from '../../test/service.ts';
import {
  claimDueRegistryChecks,
  claimRegistryCheck,
  doubtRegistryCapabilities,
  recordRegistryHealth,
} from '../catalog/registry-checks.ts';
import { inTransaction, type Transaction } from '../db/database.ts';
import { JobPostponed } from '../db/queue-worker.ts';
import { createEgress, type Egress } from '../egress/egress.ts';
import { openLog } from '../log.ts';
import { checkRegistries, checkRegistry } from './check-registry.ts';

const credentials = { username: 'larder', password: 'correct horse' };

let api: TestApi;
let peer: DockerRegistry;
let proxy: FaultyProxy;
let egress: Egress;
const lines: string[] = [];

beforeAll(async () => {
  api = await openTestApi();
  peer = await startDockerRegistry({ htpasswd: credentials });
  proxy = await startFaultyProxy(peer.url);
  egress = createEgress({ allow: ['127.0.0.1'] });
}, 60_000);
afterAll(async () => {
  egress.close();
  await proxy.stop();
  await peer.stop();
  await api.close();
});
beforeEach(async () => {
  proxy.seen.length = 0;
  await api.database.pool.query('delete from registries');
  await api.database.pool.query('delete from queue.job');
});

const resources = () => ({
  db: api.database.db,
  identity: api.identity,
  egress,
  log: openLog({ level: 'debug', destination: { write: (line: string) => lines.push(line) } }),
});
const signal = () => new AbortController().signal;
const runSchedule = () => checkRegistries(resources(), {}, { signal: signal() });

async function register(more: object = {}): Promise<{ path: string; id: string }> {
  const body = {
    name: 'peer',
    description: '',
    provider: 'OCI',
    url: `${proxy.url}/team`,
    access_key: credentials.username,
    access_secret: credentials.password,
    ...more,
  };
  const path = String((await api.ask('POST', '/v1/registries', { body })).headers['location']);
  return { path, id: path.split('/').at(-1) ?? '' };
}

async function waiting(task: string): Promise<number> {
  const found = await api.database.pool.query(`select 1 from queue.job where data ->> 'task' = $1`, [task]);
  return found.rows.length;
}

const get = async (path: string) => (await api.ask('GET', path)).json();

describe('a requested check', () => {
  test('is enqueued for a new registry and for new credentials, and its result is in the API', async () => {
    const { path, id } = await register({ access_secret: 'wrong' });
    expect(await get(path)).not.toHaveProperty('healthy');
    expect(await waiting('check-registry')).toBe(1);
    await checkRegistry(resources(), { registry_id: id });
    const told = await get(path);
    expect(told).toMatchObject({ healthy: false, unhealthy_cause: expect.stringContaining('rejects the credentials') });
    await api.database.pool.query('delete from queue.job');
    await api.ask('PATCH', path, { body: { description: 'nothing to try' } });
    expect(await waiting('check-registry')).toBe(0);
    await api.ask('PATCH', path, { body: { access_secret: credentials.password } });
    expect(await waiting('check-registry')).toBe(1);
    await checkRegistry(resources(), { registry_id: id });
    const well = await get(path);
    expect(well).toMatchObject({ healthy: true });
    expect(well).not.toHaveProperty('unhealthy_cause');
    expect(Date.parse(well.last_checked_at)).toBeGreaterThanOrEqual(Date.parse(told.last_checked_at));
    expect(proxy.seen.some((line) => line.startsWith('POST /v2/team/larder-check/'))).toBe(true);
    for (const line of lines) expect(line).not.toContain(credentials.password);
  });

  test('returns CHANGED only when the health changes', async () => {
    const { id } = await register();
    const record = (unhealthy_cause?: string) =>
      inTransaction(api.database.db, (tx) =>
        recordRegistryHealth(tx, { registry_id: id, ...(unhealthy_cause !== undefined && { unhealthy_cause }) }),
      );
    const told = [];
    for (const cause of [undefined, 'broken', 'broken otherwise', undefined, undefined]) told.push(await record(cause));
    expect(told).toEqual(['SAME', 'CHANGED', 'SAME', 'CHANGED', 'SAME']);
    await api.database.pool.query('update registries set healthy = null where id = $1', [id]);
    expect(await record('broken from the start')).toBe('CHANGED');
  });

  test('is enqueued once for repeated requests', async () => {
    const { path } = await register();
    await api.database.pool.query('delete from queue.job');
    for (let count = 0; count < 3; count++) {
      const asked = await api.ask('POST', `/larder${path}/check`);
      expect([asked.statusCode, asked.body]).toEqual([202, '']);
    }
    expect(await waiting('check-registry')).toBe(1);
    const rejected = await Promise.all([
      api.ask('POST', `/larder${path}/check`, { token: api.rival.access.OWNER }),
      api.ask('POST', `/larder${path}/check`, { token: api.acme.access.VIEWER }),
    ]);
    expect(rejected.map(({ statusCode }) => statusCode)).toEqual([404, 403]);
    await api.ask('DELETE', path);
    expect((await api.ask('POST', `/larder${path}/check`)).statusCode).toBe(404);
  });

  test('is postponed while another check runs, and replaces that of a dead worker', async () => {
    const { id } = await register();
    const claim = () => inTransaction(api.database.db, (tx) => claimRegistryCheck(tx, id));
    const claims = await Promise.all([claim(), claim(), claim()]);
    expect(claims.filter((one) => one === 'BUSY').length).toBe(2);
    await expect(checkRegistry(resources(), { registry_id: id })).rejects.toThrow(JobPostponed);
    await api.database.pool.query(`update registries set checked_until = now() where id = $1`, [id]);
    expect(await claim()).toMatchObject({ id });
    await inTransaction(api.database.db, (tx) => recordRegistryHealth(tx, { registry_id: id }));
    expect(await claim()).toMatchObject({ id });
  });

  test('does not try a push if the registry has only base images', async () => {
    const { path, id } = await register();
    const system = await api.database.pool.query(
      `insert into operating_systems (key, name, distro, version, codename) values ('debian-12', 'Debian 12', 'debian', '12', 'bookworm') returning id`,
    );
    const body = {
      name: 'golden',
      description: '',
      registry_id: id,
      container_image: 'golden:1',
      operating_system_id: system.rows[0].id,
    };
    const image = String((await api.ask('POST', '/v1/base-images', { body })).headers['location']);
    for (let count = 0; count < 2; count++) {
      expect((await api.ask('POST', `/larder${image}/check`)).statusCode).toBe(202);
    }
    // The registration enqueued one of the checks, and the user requested the other.
    expect(await waiting('follow-base-image')).toBe(2);
    proxy.fault = ({ method }) => (method === 'POST' ? { status: 403 } : undefined);
    await checkRegistry(resources(), { registry_id: id });
    expect(await get(path)).toMatchObject({ healthy: true });
    proxy.fault = () => undefined;
    await api.database.pool.query('delete from queue.job');
    await runSchedule();
    expect(await waiting('follow-base-image')).toBe(1);
    await api.database.pool.query(`update base_images set healthy = true, last_checked_at = now()`);
    await api.database.pool.query('delete from queue.job');
    await runSchedule();
    expect(await waiting('follow-base-image')).toBe(0);
    await api.database.pool.query('delete from base_images');
  });
});

describe('base images of a registry', () => {
  let operating_system_id: string;
  beforeAll(async () => {
    const made = await api.database.pool.query(
      `insert into operating_systems (key, name, distro, version, codename) values ('debian-13', 'Debian 13', 'debian', '13', 'trixie') returning id`,
    );
    operating_system_id = made.rows[0].id;
  });
  afterEach(async () => {
    await api.database.pool.query('delete from base_images');
  });

  async function addImage(registry_id: string): Promise<string> {
    const body = { name: 'golden', description: '', registry_id, container_image: 'golden:1', operating_system_id };
    const made = await api.ask('POST', '/v1/base-images', { body });
    return String(made.headers['location']).split('/').at(-1) ?? '';
  }
  async function takeChecks(): Promise<string[]> {
    const taken = await api.database.pool.query(
      `with taken as (delete from queue.job returning data) select data from taken where data ->> 'task' = 'follow-base-image'`,
    );
    return taken.rows.map(({ data }) => data.payload.base_image_id).sort();
  }

  /** Makes two registries: one with two base images and a removed base image, the other with one base image. */
  async function estate() {
    const one = await register();
    const other = await register({ name: 'other' });
    const images = [await addImage(one.id), await addImage(one.id)].sort();
    const removed = await addImage(one.id);
    await addImage(other.id);
    expect((await api.ask('DELETE', `/v1/base-images/${removed}`)).statusCode).toBe(204);
    await takeChecks();
    return { ...one, images };
  }

  test('are checked only when its credentials change', async () => {
    const { path, images } = await estate();
    await api.ask('PATCH', path, { body: { description: 'nothing to try' } });
    expect(await takeChecks()).toEqual([]);
    const half = await api.ask('PATCH', path, { body: { access_key: '' } });
    expect([half.statusCode, await takeChecks()]).toEqual([400, []]);
    for (const access_secret of ['new', 'newer']) {
      expect((await api.ask('PATCH', path, { body: { access_secret } })).statusCode).toBe(204);
    }
    expect(await takeChecks()).toEqual(images);
  });

  test('are checked once when it becomes healthy', async () => {
    const { id, images } = await estate();
    const check = () => checkRegistry(resources(), { registry_id: id });
    await check();
    expect(await takeChecks()).toEqual([]);
    proxy.fault = () => ({ status: 503 });
    await check();
    await check();
    proxy.fault = () => undefined;
    expect(await takeChecks()).toEqual([]);
    await check();
    expect(await takeChecks()).toEqual(images);
    await check();
    expect(await takeChecks()).toEqual([]);
  });

  test('are not checked if the transaction that records the recovery rolls back', async () => {
    const { id } = await estate();
    const record = (unhealthy_cause?: string) => (tx: Transaction) =>
      recordRegistryHealth(tx, { registry_id: id, ...(unhealthy_cause !== undefined && { unhealthy_cause }) });
    await inTransaction(api.database.db, record('It is away.'));
    const crash = inTransaction(api.database.db, async (tx) => {
      await record()(tx);
      throw new Error('The worker dies here.');
    });
    await expect(crash).rejects.toThrow('dies here');
    expect(await takeChecks()).toEqual([]);
    const { rows } = await api.database.pool.query('select healthy from registries where id = $1', [id]);
    expect(rows).toEqual([{ healthy: false }]);
  });
});

describe('the capabilities of a registry', () => {
  const capabilities = async (id: string) => {
    const rows = await api.database.pool.query('select capabilities from registries where id = $1', [id]);
    return rows.rows[0].capabilities;
  };
  const posts = () => proxy.seen.filter((line) => line.startsWith('POST')).length;

  test('are detected once, and again after a push that contradicts them, at most once an hour', async () => {
    const { id } = await register();
    const check = () => checkRegistry(resources(), { registry_id: id });
    await check();
    const found = { chunked: true, delete: true, mount: true, referrers: false, single_post: false };
    expect(await capabilities(id)).toEqual(found);
    const asked = posts();
    await check();
    expect(posts()).toBe(asked + 1);
    await api.database.pool.query('delete from queue.job');
    const doubt = () =>
      inTransaction(api.database.db, (tx) => doubtRegistryCapabilities(tx, { id, organization_id: api.acme.id }));
    await doubt();
    expect(await waiting('check-registry')).toBe(0);
    await api.database.pool.query(
      `update registries set capabilities = '{"mount": false}', capabilities_at = now() - interval '2 hours'`,
    );
    await doubt();
    await doubt();
    expect(await waiting('check-registry')).toBe(1);
    await check();
    expect(await capabilities(id)).toEqual(found);
  });

  test('are not detected if the registry is not pushed to or its provider does not allow trial pushes', async () => {
    const { id } = await register();
    await api.database.pool.query(`update registries set provider = 'DOCKERHUB' where id = $1`, [id]);
    await checkRegistry(resources(), { registry_id: id });
    expect(posts()).toBe(0);
    expect(await capabilities(id)).toBe(null);
  });
});

describe('the schedule', () => {
  const age = (minutes: number) =>
    api.database.pool.query(`update registries set last_checked_at = now() - $1 * interval '1 minute'`, [minutes]);
  const due = async () => {
    const claimed = await inTransaction(api.database.db, (tx) => claimDueRegistryChecks(tx, 100));
    await api.database.pool.query('update registries set checked_until = null');
    return claimed.length;
  };

  test('checks due registries, unhealthy ones more often, at different times', async () => {
    for (let number = 0; number < 20; number++) await register({ name: `peer ${number}` });
    expect(await due()).toBe(20);
    await api.database.pool.query('update registries set healthy = true');
    await age(29);
    expect(await due()).toBe(0);
    await age(35);
    const some = await due();
    expect([some > 0, some < 20]).toEqual([true, true]);
    await age(41);
    expect(await due()).toBe(20);
    await api.database.pool.query('update registries set healthy = false');
    await age(4);
    expect(await due()).toBe(0);
    await age(7);
    expect(await due()).toBe(20);
  });

  test('checks every registry once, at most four at a time in each worker', async () => {
    const made = [];
    for (let number = 0; number < 12; number++) made.push(await register({ name: `peer ${number}` }));
    const seen = { now: 0, most: 0, all: 0 };
    const counting = createCounting((change) => {
      seen.now += change;
      seen.all += Math.max(change, 0);
      seen.most = Math.max(seen.most, seen.now);
    });
    const slow = await listen(counting);
    await api.database.pool.query(`update registries set url = $1`, [`http://127.0.0.1:${slow}`]);
    await Promise.all([runSchedule(), runSchedule()]);
    expect(seen.most).toBeLessThanOrEqual(8);
    expect(seen.all).toBe(made.length);
    for (const { path } of made) expect(await get(path)).toMatchObject({ healthy: false });
    counting.close();
  });

  test('checks registries of other organizations while those of one organization do not answer', async () => {
    const sockets = new Set<Socket>();
    let most = 0;
    const silent = createServer((socket) => {
      sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
      most = Math.max(most, sockets.size);
    });
    const port = await listen(silent);
    for (let number = 0; number < 8; number++) await register({ name: `silent ${number}` });
    const { id } = await register({ name: 'of another organization' });
    await api.database.pool.query('update registries set url = $1 where id <> $2', [`http://127.0.0.1:${port}`, id]);
    await api.database.pool.query(
      `update registries set organization_id = (select id from organizations o where o.id <> organization_id limit 1),
         access_key = null, sealed_access_secret = null, last_checked_at = now() - interval '1 day', healthy = false
       where id = $1`,
      [id],
    );
    const stop = new AbortController();
    const turned = checkRegistries(resources(), {}, { signal: stop.signal });
    await until('it is looked at', async () => {
      const { rows } = await api.database.pool.query(
        `select from registries where id = $1 and last_checked_at > now() - interval '1 hour'`,
        [id],
      );
      return rows.length === 1;
    });
    expect([sockets.size, most]).toEqual([2, 2]);
    stop.abort();
    for (const socket of sockets) socket.destroy();
    await turned;
    silent.close();
  });

  test('does not check hosted and removed registries', async () => {
    const { path } = await register();
    await api.ask('DELETE', path);
    await runSchedule();
    expect(proxy.seen).toEqual([]);
  });
});

/** Closes every connection when its first byte arrives. */
function createCounting(count: (change: 1 | -1) => void): Server {
  return createServer((socket) => {
    count(1);
    socket.on('data', () => socket.destroy());
    socket.on('close', () => count(-1));
    socket.on('error', () => {});
  });
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
