// The command line against a real server: its text, its JSON and its exit codes.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { packed, rootfs } from '../../test/fixtures/customization.ts';
import { createProgram, runProgram } from './program.ts';

let api: TestApi;
let url: string;
let folder: string;

beforeAll(async () => {
  api = await openTestApi();
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`;
  folder = await mkdtemp(join(tmpdir(), 'larder-cli-'));
}, 60_000);
afterAll(async () => {
  await api.close();
  await rm(folder, { recursive: true, force: true });
});

type Ran = { code: number; out: string; err: string };

async function run(args: string[], options: { token?: string; input?: string; url?: string } = {}): Promise<Ran> {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const io = { out, err, in: Readable.from([options.input ?? '']) };
  const token = options.token ?? api.acme.tokens.OWNER;
  const code = await runProgram(createProgram(io), ['--url', options.url ?? url, '--token', token, ...args], io);
  return { code, out: String(out.read() ?? ''), err: String(err.read() ?? '') };
}

test('--help lists the commands; an unknown command is rejected', async () => {
  const help = await run(['--help']);
  expect(help.code).toBe(0);
  for (const verb of ['request', 'customize', 'releases', 'pipelines', 'registries', 'base-images', 'api']) {
    expect(help.out).toContain(`  ${verb} `);
  }
  expect(await run(['bake'])).toMatchObject({ code: 2, err: expect.stringContaining('unknown command') });
  expect(await run(['customize'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('missing required argument'),
  });
});

test('help has the right article before each noun', async () => {
  for (const [group, thing] of [
    ['users', 'a user'],
    ['tokens', 'an API token'],
    ['offerings', 'an offering'],
    ['releases', 'a release'],
  ] as const)
    expect((await run([group, 'get', '--help'])).out).toContain(`show ${thing}\n`);
});

test('login shows the role of the token; token prints an access token', async () => {
  const login = await run(['login'], { token: api.acme.tokens.VIEWER });
  expect(login).toMatchObject({ code: 0, err: '' });
  expect(login.out).toMatch(/role\s+VIEWER/);
  const { out } = await run(['token']);
  expect((await api.ask('GET', '/v1/catalogs', { token: out.trim() })).statusCode).toBe(200);
});

describe('customize', () => {
  test('uploads, lists, updates and deletes', async () => {
    const archive = join(folder, 'ca.tar.gz');
    await writeFile(archive, await packed([rootfs('etc/motd', { content: 'hello' })]));
    const made = await run(['customize', archive, '--name', 'company CA', '--watch', '--json']);
    expect(made.code).toBe(0);
    const { id, artifact } = JSON.parse(made.out);
    expect(artifact.filename).toBe('ca.tar.gz');
    expect((await run(['customizations'])).out).toMatch(/company CA +v1 +everything/);
    expect((await run(['customizations', 'update', id, '--name', 'renamed'])).code).toBe(0);
    expect((await run(['customizations', 'get', id])).out).toContain('renamed');
    expect((await run(['customizations', 'delete', id])).code).toBe(0);
    expect((await run(['customizations', 'list'])).out).not.toContain('renamed');
    expect((await run(['customizations', 'list', '--deleted'])).out).toContain('renamed');
  });

  test('shows warnings after an upload, an update and a get', async () => {
    const archive = join(folder, 'warned.tar.gz');
    await writeFile(archive, await packed([rootfs('etc/open', { content: 'x', mode: 0o666 })]));
    const warning = /^warning: rootfs\/etc\/open: Every user of the image can write to the file/m;
    const made = await run(['customize', archive, '--name', 'warned']);
    expect(made.out).toMatch(warning);
    const id = /[0-9a-f-]{36}/.exec(made.out)?.[0] ?? '';
    expect((await run(['customizations', 'get', id])).out).toMatch(warning);
    const many = Array.from({ length: 12 }, (_, n) => rootfs(`open${n}`, { content: 'x', mode: 0o666 }));
    await writeFile(archive, await packed(many));
    const updated = await run(['customizations', 'update', id, archive]);
    expect(updated.out).toContain('warning: rootfs/open9: ');
    expect(updated.out).toContain('and 2 more warnings\n');
    expect((await run(['customizations', 'delete', id])).code).toBe(0);
  });

  test('reports all violations', async () => {
    const archive = join(folder, 'bad.tar.gz');
    await writeFile(archive, await packed([rootfs('proc/a', { content: 'x' }), rootfs('dev/b', { content: 'y' })]));
    const machines = 'proc, sys, dev, run and tmp are filled when a container runs; an image cannot have files there';
    expect(await run(['customize', archive])).toEqual({
      code: 1,
      out: '',
      err: `${archive} is not a valid customization:\n  rootfs/proc/a: ${machines}\n  rootfs/dev/b: ${machines}\n`,
    });
    expect(await run(['customize', join(folder, 'none')])).toMatchObject({
      code: 2,
      err: `${join(folder, 'none')} cannot be read: it does not exist.\n`,
    });
    await writeFile(archive, await packed([rootfs('etc/motd', { content: 'hello' })]));
    const { code, err } = await run(['customize', archive, '--branch', '7.0']);
    expect([code, err]).toEqual([1, expect.stringContaining('The request is invalid')]);
    expect(err).toContain('  filter.branch: It requires filter.product_key.');
    expect(err).toMatch(/\(request [0-9a-f-]+\)/);
  });
});

test('registries are added, listed and removed', async () => {
  const added = await run(['registries', 'add', 'harbor', 'https://harbor.example', '--secret', 's', '--user', 'u']);
  expect(added).toMatchObject({ code: 0, err: '' });
  const list = await run(['registries']);
  expect(list.out).toContain('https://harbor.example');
  expect(list.out).toContain(added.out.trim());
  expect((await run(['registries', 'remove', 'harbor'])).code).toBe(0);
  expect((await run(['registries'])).out).not.toContain('harbor');
});

test('registries add requires a secret or --anonymous', async () => {
  const forgotten = await run(['registries', 'add', 'open', 'http://10.0.0.7:5000']);
  expect(forgotten).toMatchObject({ code: 2, err: expect.stringContaining('or --anonymous') });
  const both = await run(['registries', 'add', 'open', 'http://10.0.0.7:5000', '--anonymous', '--user', 'u']);
  expect(both).toMatchObject({ code: 2, err: expect.stringContaining('has no user') });
  const added = await run(['registries', 'add', 'open', 'http://10.0.0.7:5000', '--anonymous']);
  expect(added).toMatchObject({ code: 0, err: '' });
  expect((await run(['registries', 'remove', 'open'])).code).toBe(0);
});

test('registries update changes the name, and sets and removes the log-in', async () => {
  const url = 'https://registry.example/changed';
  const added = await run(['registries', 'add', 'changing', url, '--secret', 's', '--user', 'u']);
  const kept = async () => {
    const find = api.database.db.selectFrom('registries').where('id', '=', added.out.trim());
    const row = await find.select(['name', 'access_key', 'sealed_access_secret']).executeTakeFirstOrThrow();
    return [row.name, row.access_key, row.sealed_access_secret?.toString('hex')];
  };
  const update = (...options: string[]) => run(['registries', 'update', added.out.trim(), ...options]);
  const [, , first] = await kept();
  // The secret in the environment may belong to another registry. So a change of only the name does not set the secret.
  vi.stubEnv('LARDER_REGISTRY_SECRET', 'of another');
  expect(await update('--name', 'changed')).toMatchObject({ code: 0, out: '', err: '' });
  expect(await kept()).toEqual(['changed', 'u', first]);
  expect(await update('--anonymous')).toMatchObject({ code: 0, out: '', err: '' });
  expect(await kept()).toEqual(['changed', null, undefined]);
  expect((await run(['registries', 'update', 'changed', '--user', 'robot'])).code).toBe(0);
  const [, user, second] = await kept();
  expect([user, second]).toEqual(['robot', expect.any(String)]);
  expect((await update()).code).toBe(0);
  expect((await kept())[2]).not.toBe(second);
  vi.unstubAllEnvs();
  const none = await update();
  expect(none).toMatchObject({ code: 2, err: expect.stringContaining('Give at least one change: ') });
  const both = await update('--anonymous', '--secret', 's');
  expect(both).toMatchObject({ code: 2, err: expect.stringContaining('has no user and no secret') });
  expect((await run(['registries', 'remove', 'changed'])).code).toBe(0);
});

test('commands that read print tables and JSON', async () => {
  const commands = [
    'offerings',
    'applications',
    'catalogs',
    'operating-systems',
    'requests',
    'releases',
    'pipelines',
    'base-images',
  ];
  for (const command of commands) {
    expect(await run([command])).toMatchObject({ code: 0, err: '' });
    const json = await run([command, '--json']);
    expect(JSON.parse(json.out)).toBeDefined();
  }
});

describe('api', () => {
  test('sends any request', async () => {
    expect(JSON.parse((await run(['api', 'get', '/v1/catalogs'])).out).items).toHaveLength(1);
    const body = '{"name":"x","description":"","provider":"OCI","url":"https://x.example","access_secret":"s"}';
    const made = await run(['api', 'POST', '/v1/registries', '--data', '@-'], { input: body });
    expect(made.out).toMatch(/^\/v1\/registries\/[0-9a-f-]{36}\n$/);
    expect((await run(['api', 'DELETE', made.out.trim()])).code).toBe(0);
  });

  test('sends header lines, and shows those of the answer with --include', async () => {
    const body = '{"name":"y","description":"","provider":"OCI","url":"https://x.example","access_secret":"s"}';
    const post = ['api', 'POST', '/v1/registries', '--data', body, '--header', 'Idempotency-Key: one'];
    const made = await run(post);
    expect(await run(post)).toMatchObject({ code: 0, out: made.out });
    const shown = await run(['api', 'GET', made.out.trim(), '--include']);
    const tag = /^etag: (.*)$/m.exec(shown.out)?.[1];
    const stale = await run(['api', 'DELETE', made.out.trim(), '--header', 'If-Match: "stale"']);
    expect(stale).toMatchObject({ code: 1, err: expect.stringContaining('Changed since it was read') });
    expect((await run(['api', 'DELETE', made.out.trim(), '--header', `If-Match: ${tag}`])).code).toBe(0);
    expect(await run([...post, '--header', 'nonsense'])).toMatchObject({ code: 2 });
  });

  test('shows the violations of a rejected request', async () => {
    const { code, err } = await run(['api', 'GET', '/v1/catalogs?page=0']);
    expect([code, err]).toEqual([1, expect.stringContaining('page: It should be at least 1.')]);
  });
});

test('a wrong token, an unreachable server and a missing token have different exit codes', async () => {
  const wrong = await run(['catalogs'], { token: 'larder_wrong' });
  expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining('The token is invalid') });
  const nobody = await run(['catalogs'], { url: 'http://127.0.0.1:1' });
  expect(nobody).toMatchObject({ code: 3, err: expect.stringContaining('There is no answer from http://127.0.0.1:1') });
  expect(await run(['catalogs'], { token: '' })).toMatchObject({ code: 2 });
});

test('request accepts names, and names a base image that does not exist', async () => {
  const { code, err } = await run(['request', 'redis:7.0', '--base-image', 'Debian 12']);
  expect([code, err]).toEqual([1, 'There is no base image Debian 12; «larder base-images» lists them.\n']);
});
