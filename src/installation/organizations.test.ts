// The operator's commands for organizations, run as processes. Also tests which organization owns the installation.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { migrate } from '../db/migrate.ts';
import { findTokenHolder } from '../identity/token-holders.ts';
import { bootstrap } from './bootstrap.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, 60_000);
afterAll(() => database.drop());

const CLI = new URL('../bin/cli.ts', import.meta.url).pathname;
const PUBLIC_URL = 'https://larder.example.org';

type Ran = { code: number; out: string; err: string };

async function larder(...args: string[]): Promise<Ran> {
  const env = { PATH: process.env['PATH'], LARDER_DATABASE_URL: database.url };
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [CLI, ...args], { env });
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

async function start(): Promise<string[]> {
  const tokens: string[] = [];
  await bootstrap(database.db, { publicUrl: PUBLIC_URL, onApiToken: (token) => void tokens.push(token) });
  return tokens;
}

test('larder organizations create is rejected before the first start', async () => {
  expect(await larder('organizations', 'create', 'Acme')).toMatchObject({
    code: 1,
    err: 'This database has no organization yet: start Larder once\n',
  });
});

test('the first start creates one organization that owns the installation, also if several start concurrently', async () => {
  const tokens = (await Promise.all([start(), start(), start()])).flat();
  expect(tokens).toHaveLength(1);
  const { rows } = await database.pool.query('select namespace, owns_installation from organizations');
  expect(rows).toEqual([{ namespace: 'main', owns_installation: true }]);
});

test('a server without a public URL replaces no address that was configured or that another server wrote', async () => {
  const url = async () =>
    (await database.pool.query('select url from registries where hosted')).rows.map((row) => row.url);
  const listen = (publicUrl: string, listenedBy = 'one:/data') =>
    bootstrap(database.db, { publicUrl, listenedBy, onApiToken: () => {} });
  const given = (publicUrl: string) => bootstrap(database.db, { publicUrl, onApiToken: () => {} });
  // Opening the installation's key would create this row, but this test opens no key.
  await database.pool.query("insert into installation (key_check) values ('') on conflict do nothing");
  await listen('http://127.0.0.1:8081');
  expect(await url()).toEqual([`${PUBLIC_URL}/main`]);
  // An address of this machine stays too, because it was configured.
  await given('http://127.0.0.1:9');
  await listen('http://127.0.0.1:8081');
  expect(await url()).toEqual(['http://127.0.0.1:9/main']);
  // Sets the state after an upgrade from a version that did not record which server wrote the address.
  await database.pool.query("update installation set listen_address_by = ''");
  await listen('http://127.0.0.1:8');
  expect(await url()).toEqual(['http://127.0.0.1:8/main']);
  await listen('http://127.0.0.1:8082', 'two:/data');
  expect(await url()).toEqual(['http://127.0.0.1:8/main']);
  // A server replaces an address that it wrote itself, unless another server with the same folder answers there.
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const running = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  await listen(running);
  expect(await url()).toEqual([`${running}/main`]);
  await listen('http://127.0.0.1:8083');
  expect(await url()).toEqual([`${running}/main`]);
  other.close();
  await once(other, 'close');
  await listen('http://127.0.0.1:8083');
  expect(await url()).toEqual(['http://127.0.0.1:8083/main']);
  await given(PUBLIC_URL);
  expect(await url()).toEqual([`${PUBLIC_URL}/main`]);
});

describe('larder organizations', () => {
  test('create adds all initial rows, and prints a token that works', async () => {
    const { code, out } = await larder('organizations', 'create', 'Acme & Co', '--owner', 'ada', '--applications', '5');
    expect(code).toBe(0);
    expect(out).toContain('Organization: Acme & Co (acme-co, ');
    const token = /^API token: (\S+)$/m.exec(out)?.[1] ?? '';
    const holder = await findTokenHolder(database.db, token);
    expect(holder).toMatchObject({ namespace: 'acme-co', principal: { name: 'ada', role: 'OWNER' } });
    const id = holder?.principal.organization_id;
    const { rows } = await database.pool.query(
      `select o.applications_max, c.name as catalog, r.url, s.created_by from organizations o
      join catalogs c on c.organization_id = o.id join registries r on r.organization_id = o.id
      join subscriptions s on s.organization_id = o.id where o.id = $1`,
      [id],
    );
    expect(rows).toEqual([
      { applications_max: 5, catalog: 'DefaultCatalog', url: `${PUBLIC_URL}/acme-co`, created_by: 'operator' },
    ]);
    const events = await database.pool.query(
      `select actor_name, subject_id, namespace from audit_events e join organizations o on o.id = e.organization_id
      where action = 'createOrganization' order by happened_at desc limit 1`,
    );
    expect(events.rows).toEqual([{ actor_name: 'operator', subject_id: id, namespace: 'main' }]);
  });

  test('create run concurrently under one name creates one', async () => {
    const both = await Promise.all([1, 2].map(() => larder('organizations', 'create', 'Twins', '--json')));
    expect(both.map(({ code }) => code).sort()).toEqual([0, 1]);
    const made = both.find(({ code }) => code === 0);
    expect(JSON.parse(made?.out ?? '')).toMatchObject({ organization: { name: 'Twins', namespace: 'twins' } });
    expect(both.find(({ code }) => code === 1)?.err).toBe('An organization named Twins already exists\n');
  });

  test.each([
    [['create', ' '], 1, 'A name must have 1 to 100 characters'],
    [['create', 'X', '--namespace', 'v2'], 1, 'v2 is not a valid namespace'],
    [['create', 'X', '--namespace', 'main'], 1, 'Another organization already has the namespace main'],
    [['create', 'X', '--email', 'x'], 1, 'x is not an e-mail address'],
    [['create', 'X', '--applications', '-1'], 2, 'It should be a number below a million, or none.'],
    [['set-quota', 'nobody', '1'], 1, 'There is no organization nobody'],
    [['set-quota', 'main', 'many'], 2, 'It should be a number below a million, or none.'],
  ])('%j is rejected', async (args, code, message) => {
    const ran = await larder('organizations', ...args);
    expect([ran.code, ran.out]).toEqual([code, '']);
    expect(ran.err).toContain(message);
    expect((await larder('organizations')).out).not.toMatch(/^X /m);
  });

  test('set-quota accepts namespace, name and id; list shows the quota', async () => {
    const quotaOf = async () => {
      const all = JSON.parse((await larder('organizations', 'list', '--json')).out);
      return all.find(({ namespace }: { namespace: string }) => namespace === 'acme-co');
    };
    expect((await larder('organizations', 'set-quota', 'acme-co', '7')).out).toBe(
      'Acme & Co may have 7 applications at a time.\n',
    );
    const { id, quotas } = await quotaOf();
    expect(quotas).toEqual({ applications: { limit: 7 } });
    expect((await larder('organizations', 'set-quota', 'ACME & co', '8')).code).toBe(0);
    expect((await quotaOf()).quotas).toEqual({ applications: { limit: 8 } });
    expect((await larder('organizations')).out).toMatch(/Acme & Co +acme-co +0 +8 /);
    expect((await larder('organizations', 'set-quota', id, 'none')).out).toContain('any number of applications');
    expect((await quotaOf()).quotas).toEqual({});
    expect((await larder('organizations')).out).toMatch(/My organization \(owns the installation\) +main +0 +none /);
  });
});

test('an upgraded installation belongs to its oldest organization', async () => {
  const installed = await createTestDatabase({ empty: true });
  const directory = mkdtempSync(join(tmpdir(), 'larder-migrations-'));
  const migrations = new URL('../../migrations/', import.meta.url).pathname;
  const files = readdirSync(migrations).sort();
  const copy = (wanted: (file: string) => boolean) => {
    for (const file of files.filter(wanted)) copyFileSync(join(migrations, file), join(directory, file));
  };
  try {
    copy((file) => file < '0014');
    await migrate(installed.url, { directory });
    await installed.pool.query(
      `insert into organizations (name, namespace, created_at) values
      ('younger', 'a', now()), ('oldest', 'main', now() - interval '1 day'), ('young', 'b', now())`,
    );
    copy(() => true);
    expect(await migrate(installed.url, { directory })).toContain('0014_installation_owner.sql');
    const { rows } = await installed.pool.query('select name from organizations where owns_installation');
    expect(rows).toEqual([{ name: 'oldest' }]);
    await expect(installed.pool.query('update organizations set owns_installation = true')).rejects.toThrow(
      'organizations_one_owns',
    );
  } finally {
    rmSync(directory, { recursive: true });
    await installed.drop();
  }
});
