// The commands request, get, check and status: names instead of ids, unknown names, and their output.
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { breakByCustomization, openTestEstates, type TestEstates } from '../../test/estate.ts';
import { recordRegistryHealth } from '../catalog/registry-checks.ts';
import { recordBaseImageHealth } from '../pipelines/base-image-versions.ts';
import { failPhase } from '../pipelines/phases.ts';
import { tableOf } from './output.ts';
import { createProgram, runProgram } from './program.ts';

let estates: TestEstates;

beforeAll(async () => {
  estates = await openTestEstates();
  await estates.api.app.listen({ host: '127.0.0.1', port: 0 });
}, 60_000);
afterAll(() => estates.api.close());

type Ran = { code: number; out: string; err: string };

async function run(...args: string[]): Promise<Ran> {
  return await runOn(new PassThrough(), args);
}

async function runOn(out: PassThrough, args: string[]): Promise<Ran> {
  const { app, acme } = estates.api;
  const err = new PassThrough();
  const io = { out, err, in: Readable.from([]) };
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  const code = await runProgram(createProgram(io), ['--url', url, '--token', acme.tokens.OWNER, ...args], io);
  return { code, out: String(out.read() ?? ''), err: String(err.read() ?? '') };
}

async function bases(): Promise<{ id: string; name: string; operating_system: { name: string } }[]> {
  return JSON.parse((await run('base-images', '--json')).out).items;
}

describe('request', () => {
  test('lists the base images if several fit, and requires --base-image', async () => {
    const own = (await bases()).find(({ name }) => name === 'own');
    const { code, err } = await run('request', 'postgresql');
    const [first, ...lines] = err.trimEnd().split('\n');
    expect([code, first]).toEqual([2, 'Several base images fit; name one of them with --base-image, by name or id:']);
    expect(lines).toContain(`  own: postgresql:15  ${own?.id}`);
    expect(lines.length).toBeGreaterThan(1);
  });

  test('uses the only base image that fits', async () => {
    const own = (await bases()).find(({ name }) => name === 'own');
    // Deprecates all other base images, so that only the organization's own base image can be chosen.
    for (const { id, name } of await bases()) {
      if (name === 'own') continue;
      await estates.catalog.write((tx) =>
        tx.updateTable('base_images').set({ status: 'DEPRECATED' }).where('id', '=', id).execute(),
      );
    }
    const made = await run('request', 'postgresql:15', '--json');
    expect(made.err).toBe('');
    expect(made.code).toBe(0);
    const [application] = JSON.parse(made.out).applications;
    expect([application.product.key, application.base_image.id]).toEqual(['postgresql', own?.id]);
    const again = await run('request', 'postgresql');
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('already') });
  });

  test('rejects an unknown product, branch, type or base image, and says where valid ones are listed', async () => {
    const os = (await bases())[0]?.operating_system.name;
    expect(await run('request', 'nginx:9')).toEqual({
      ...{ code: 1, out: '' },
      err: expect.stringContaining('There is no branch 9 of nginx; there is nginx:1.22 for '),
    });
    expect((await run('request', 'nothing')).err).toBe(
      'There is no product nothing to request; «larder offerings» lists the offerings.\n',
    );
    expect((await run('request', 'nginx', '--type', 'helm-chart')).err).toContain('no product nginx as helm-chart');
    expect(await run('request', 'nginx', '--type', 'parcel')).toMatchObject({
      code: 2,
      err: expect.stringContaining('It should be one of helm-chart, ova, container-image.'),
    });
    expect((await run('request', 'nginx', '--base-image', 'gone')).err).toBe(
      'There is no base image gone; «larder base-images» lists them.\n',
    );
    expect(os).not.toBe('');
  });
});

describe('get', () => {
  test('shows a resource of each kind by id, and names a resource that does not exist', async () => {
    const { acme, shared } = estates;
    const things: [string, string, string][] = [
      ['registries', acme['registry_id']?.[1] ?? '', 'registry'],
      ['base-images', acme['base_image_id']?.[0] ?? '', 'base image'],
      ['applications', acme['application_id']?.[0] ?? '', 'application'],
      ['requests', acme['application_request_id']?.[0] ?? '', 'application request'],
      ['pipelines', acme['pipeline_id']?.[0] ?? '', 'pipeline'],
      ['releases', acme['release_id']?.[0] ?? '', 'release'],
      ['customizations', acme['customization_id']?.[0] ?? '', 'customization'],
      ['users', acme['user_id']?.[0] ?? '', 'user'],
      ['tokens', acme['api_token_id']?.[0] ?? '', 'API token'],
      ['offerings', shared['offering_id'] ?? '', 'offering'],
    ];
    for (const [group, id, noun] of things) {
      const shown = await run(group, 'get', id);
      expect(shown, group).toMatchObject({ code: 0, err: '' });
      if (noun !== 'release') expect(shown.out, group).toContain(id);
      expect(JSON.parse((await run(group, 'get', id, '--json')).out), group).toBeTypeOf('object');
      const missing = noun === 'release' ? '0'.repeat(24) : '6f9619ff-8b86-4011-942d-00cf4fc964ff';
      expect(await run(group, 'get', missing), group).toEqual({
        ...{ code: 1, out: '' },
        err: `There is no ${noun} ${missing} that this token can see.\n`,
      });
    }
  });

  test('finds registries and base images by name', async () => {
    expect((await run('registries', 'get', 'Hosted registry')).out).toMatch(/^kept +by this service$/m);
    expect((await run('base-images', 'get', 'OWN')).out).toMatch(/^name +own$/m);
  });
});

test('status lists waiting and failed pipelines and unusable base images, with the reasons', async () => {
  const base_image_id = estates.acme['base_image_id']?.[0] ?? '';
  const unhealthy_cause = 'registry.invalid does not resolve.';
  const { catalog } = estates;
  const [broken = ''] = (await catalog.request(catalog.acme, ['nginx'], { base_image_id })).application_ids;
  const pipeline_id = await catalog.openPipeline(broken);
  const fault = { pipeline_id, phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'no space\nand more' } as const;
  await catalog.write((tx) => failPhase(tx, fault));
  await estates.catalog.write((tx) => recordBaseImageHealth(tx, { base_image_id, unhealthy_cause }));
  const { code, out, err } = await run('status');
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/^running +\d+$/m);
  expect(out).toMatch(
    /^waiting +[1-9]\d*\n(.*\n)* {2}postgresql 15\.8 on own: waiting: .*The base image own cannot be read/m,
  );
  expect(out).toMatch(/^failed +1\n {2}nginx 1\.22\.1 on own: BUILD_ERROR: no space \(since /m);
  expect(out).toMatch(/^unusable +1\n {2}base image own: registry\.invalid does not resolve\. \(since /m);
  await catalog.pool.query("update base_images set status = 'DEPRECATED' where id = $1", [base_image_id]);
  const deprecated = (await run('status')).out;
  expect(deprecated).toMatch(/^unusable +1\n {2}deprecated base image own: registry\.invalid does not resolve\. /m);
  expect((await run('base-images', 'get', 'own')).out).toMatch(/^status +DEPRECATED$/m);
  expect((await run('base-images')).out).toMatch(/^own .* DEPRECATED .*registry\.invalid/m);
  await catalog.pool.query('update applications set removed_at = now() where base_image_id = $1', [base_image_id]);
  expect((await run('status')).out).toMatch(/^unusable +0$/m);
  await catalog.pool.query('update applications set removed_at = null where base_image_id = $1', [base_image_id]);
  await catalog.pool.query("update base_images set status = 'ACTIVE' where id = $1", [base_image_id]);
  const json = JSON.parse((await run('status', '--json')).out);
  expect(json.failed.items[0]).toMatchObject({ what: expect.any(String), state: expect.any(String) });
});

describe('check', () => {
  /** Waits until the command has enqueued a check, and records its result as a worker does. */
  async function recordWhenEnqueued(task: 'check-registry' | 'follow-base-image', record: () => Promise<unknown>) {
    await expect.poll(() => estates.catalog.waiting(task)).not.toEqual([]);
    await record();
    await estates.catalog.clearJobs();
  }

  test('of a registry waits for the check and shows its result', async () => {
    const registry_id = estates.acme['registry_id']?.[1] ?? '';
    const record = (unhealthy_cause?: string) => () =>
      estates.catalog.write((tx) =>
        recordRegistryHealth(tx, { registry_id, ...(unhealthy_cause !== undefined && { unhealthy_cause }) }),
      );
    await estates.catalog.clearJobs();
    const bad = run('registries', 'check', registry_id);
    await recordWhenEnqueued('check-registry', record('It refuses the credentials.'));
    expect(await bad).toEqual({ code: 1, out: '', err: 'own cannot be used: It refuses the credentials.\n' });
    const good = run('registries', 'check', 'OWN');
    await recordWhenEnqueued('check-registry', record());
    expect(await good).toEqual({ code: 0, out: 'own can be used.\n', err: '' });
    const json = run('registries', 'check', 'own', '--json');
    await recordWhenEnqueued('check-registry', record());
    expect(JSON.parse((await json).out)).toMatchObject({ id: registry_id, healthy: true });
  });

  test('of a base image waits for the result, or with --no-wait only enqueues the check', async () => {
    const base_image_id = estates.acme['base_image_id']?.[0] ?? '';
    await estates.catalog.clearJobs();
    const asked = run('base-images', 'check', 'own');
    await recordWhenEnqueued('follow-base-image', () =>
      estates.catalog.write((tx) => recordBaseImageHealth(tx, { base_image_id })),
    );
    expect(await asked).toEqual({ code: 0, out: 'own can be used.\n', err: '' });
    expect(await run('base-images', 'check', 'own', '--no-wait')).toEqual({ code: 0, out: '', err: '' });
    expect(await estates.catalog.waiting('follow-base-image')).not.toEqual([]);
    const shared = (await bases()).find(({ name }) => name !== 'own')?.name ?? '';
    expect(await run('base-images', 'check', shared)).toMatchObject({
      code: 1,
      err: expect.stringContaining('Shared base images are checked by the installation itself'),
    });
    expect(await run('base-images', 'check', 'gone')).toMatchObject({
      code: 1,
      err: expect.stringContaining('no base image gone'),
    });
  });
});

test('base-images add accepts an operating system by name, by distribution and version, or by id', async () => {
  const id = estates.shared['operating_system_id'] ?? '';
  const { name } = (await estates.api.ask('GET', `/v1/operating-systems/${id}`)).json();
  expect(name).toBe('Debian 12');
  const add = (os: string) =>
    run('base-images', 'add', `on ${os}`, '--registry', 'own', '--image', 'os:1', '--os', os, '--json');
  for (const os of ['debian-12', 'Debian 12', 'debian:12', id]) {
    const { out, err } = await add(os);
    expect(err).toBe('');
    const made = (await estates.api.ask('GET', `/v1/base-images/${JSON.parse(out).id}`)).json();
    expect(made.operating_system.id).toBe(id);
    await run('base-images', 'remove', made.id);
  }
  const { code, err } = await add('debian-11');
  expect([code, err]).toEqual([
    1,
    'There is no operating system debian-11; there are Debian 12 (debian-12), Debian 13 (debian-13).\n',
  ]);
});

test('base-images add prints the id, and at a terminal the next command', async () => {
  const words = ['base-images', 'add', 'new', '--registry', 'own', '--image', 'os:1', '--os', 'debian-12'];
  const piped = await run(...words);
  expect(piped.err).toBe('');
  expect(piped.out).toMatch(/^[0-9a-f-]{36}\n$/);
  await run('base-images', 'remove', piped.out.trim());
  const { out, err } = await runOn(Object.assign(new PassThrough(), { isTTY: true }), words);
  const id = out.trim();
  expect(err).toBe(`Larder reads it now; «larder base-images check ${id}» shows whether it can be used.\n`);
  await run('base-images', 'remove', id);
});

test('pipelines and requests name their base images', async () => {
  expect((await run('pipelines')).out).toMatch(
    /BASE IMAGE(?:.|\n)*(?:redis|nginx) +container-image +\S+ +(?:own|Debian \d+) /,
  );
  expect((await run('requests')).out).toMatch(/BASE IMAGE(?:.|\n)* (?:own|Debian \d+) /);
});

test('status shows the time of the first failed check, also after further failed checks', async () => {
  const base_image_id = estates.acme['base_image_id']?.[0] ?? '';
  const registry_id = estates.acme['registry_id']?.[1] ?? '';
  const away = 'It is away.';
  const look = () =>
    estates.catalog.write(async (tx) => {
      await recordBaseImageHealth(tx, { base_image_id, unhealthy_cause: away });
      await recordRegistryHealth(tx, { registry_id, unhealthy_cause: away });
    });
  await look();
  for (const table of ['base_images', 'registries'])
    await estates.catalog.pool.query(
      `update ${table} set unhealthy_since = '2026-03-03T04:05:06Z' where unhealthy_since is not null`,
    );
  await look();
  const { out } = await run('status');
  expect(out).toMatch(/^ {2}base image own: It is away\. \(since 2026-03-03 04:05\)$/m);
  expect(out).toMatch(/^ {2}registry .*: It is away\. \(since 2026-03-03 04:05\)$/m);
  const since = '2026-03-03T04:05:06.000Z';
  expect((await estates.api.ask('GET', `/v1/registries/${registry_id}`)).json()).toMatchObject({
    unhealthy_since: since,
  });
  // The cause is in the last column, so that a long cause does not move other columns.
  expect((await run('base-images')).out).toMatch(/^own .* no {11}[0-9a-f-]{36} {2}It is away\.$/m);
  expect((await run('registries')).out).toMatch(/^own .* no {5,}[0-9a-f-]{36} {2}It is away\.$/m);
  expect((await run('base-images', 'get', 'own')).out).toMatch(/^healthy +no: It is away\.\nsince +2026-03-03 04:05$/m);
  await estates.catalog.write(async (tx) => {
    await recordBaseImageHealth(tx, { base_image_id });
    await recordRegistryHealth(tx, { registry_id });
  });
  expect((await run('status')).out).not.toContain('It is away.');
  expect((await run('base-images', 'get', 'own')).out).not.toMatch(/^since/m);
});

test('status lists the customizations that pipelines leave out', async () => {
  const { catalog } = estates;
  expect((await run('status')).out).toMatch(/^left out +0$/m);
  const [application_id = ''] = (await catalog.request(catalog.acme, ['nginx'])).application_ids;
  await catalog.finish(await catalog.openPipeline(application_id));
  const { id } = await breakByCustomization(catalog, catalog.acme, { application_id, product_key: 'nginx' });
  // No pipeline has been planned without the customization yet.
  expect((await run('status')).out).toMatch(/^left out +0$/m);
  await catalog.customize(catalog.acme, 'later', { product_key: 'nginx' });
  await catalog.finish(await catalog.openPipeline(application_id));
  const { out } = await run('status');
  expect(out).toMatch(/^left out +1\n {2}customization .* v1 of \S+ \S+ on .*: its hook ended with code 3 \(since /m);
  const listed = JSON.parse((await run('status', '--json')).out);
  expect(listed.left_out).toMatchObject({ total: 1, items: [{ since: expect.any(String) }] });
  const shown = (
    await estates.api.ask('GET', `/v1/catalogs/${estates.acme['catalog_id']?.[0]}/customizations/${id}`)
  ).json();
  expect(shown.affected_releasables).toContainEqual(expect.objectContaining({ status: 'FAILED', left_out: true }));
});

test('request says at once that its base image cannot be read', async () => {
  const own = (await estates.api.ask('GET', `/v1/base-images/${estates.acme['base_image_id']?.[0]}`)).json();
  const { pull_registry, operating_system } = own;
  const body = { name: 'hopeless', description: '', container_image: 'golden:1', registry_id: pull_registry.id };
  const request = { ...body, operating_system_id: operating_system.id };
  const made = await estates.api.ask('POST', '/v1/base-images', { body: request });
  const base_image_id = String(made.headers['location']).split('/').at(-1) ?? '';
  const unhealthy_cause = 'host/golden:1 has no sh, which every build runs, in the PATH of builds.';
  await estates.catalog.write((tx) => recordBaseImageHealth(tx, { base_image_id, unhealthy_cause }));
  const { code, out, err } = await run('request', 'redis', '--base-image', 'hopeless');
  expect([code, err]).toEqual([0, '']);
  expect(out).toContain(`The base image hopeless cannot be read: ${unhealthy_cause}`);
});

test('a table that is wider than the terminal continues its rows on indented lines', () => {
  const columns: [string, (row: string[]) => string | undefined][] = [
    ['NAME', ([name]) => name],
    ['WHERE', ([, where]) => where],
    ['ID', ([, , id]) => id],
  ];
  const rows = [
    ['redis', 'Debian 12', 'x'.repeat(30)],
    ['nginx', '', 'y'.repeat(30)],
  ];
  expect(tableOf(rows, columns, 40)).toBe(
    ['NAME   WHERE', '  ID', 'redis  Debian 12', `  ${'x'.repeat(30)}`, 'nginx', `  ${'y'.repeat(30)}`].join('\n'),
  );
  expect(tableOf(rows, columns, 80).split('\n')).toHaveLength(3);
});
