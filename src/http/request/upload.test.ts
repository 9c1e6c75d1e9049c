// Uploads: archive and fields arrive in any order and are validated together. A rejected or aborted upload leaves no file.
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openTestApi, type TestApi, violationsOf } from '../../../test/api.ts';
import { packed, rootfs } from '../../../test/fixtures/customization.ts';
import { formOf, type Part } from '../../../test/multipart.ts';
import { PARTS_MAX } from '../../contract/limits.ts';
import { ARCHIVE_BYTES_MAX } from '../../customization/limits.ts';
import type { Digest } from '../../oci/descriptor.ts';
import { UPLOAD_LIMITS } from '../limits.ts';

let api: TestApi;
let path: string;
let archive: Buffer;
let file: Part;
let free: number | undefined;

beforeAll(async () => {
  api = await openTestApi({
    content: (content) => Object.assign(Object.create(content), { freeShare: async () => free }),
  });
  path = `/v1/catalogs/${api.acme.catalog_id}/customizations`;
  archive = await packed([rootfs('etc/motd', { content: 'hello' })]);
  file = { name: 'file', filename: 'company.tar.gz', type: 'application/gzip', content: archive };
}, 60_000);
afterAll(() => api.close());

async function held(): Promise<number> {
  let count = 0;
  for await (const _content of api.content.list()) count += 1;
  return count;
}

/** Returns all files in the content store's folder, including unfinished files. */
async function files(): Promise<string[]> {
  const entries = await readdir(api.directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

describe('201', () => {
  test('fields in any order, with and without file names', async () => {
    const name: Part = { name: 'name', content: 'company CA' };
    const typeless: Part = { name: 'file', filename: 'company.tar.gz', content: archive };
    const filters: Part[] = [
      { name: 'filter', content: '{}' },
      { name: 'filter', content: '{}', type: 'application/json' },
      { name: 'filter', content: '{}', filename: 'blob', type: 'application/json' },
      { name: 'filter', content: '{}', filename: 'filter.json', type: 'application/octet-stream' },
    ];
    for (const filter of filters) {
      for (const parts of [
        [file, filter, name],
        [filter, name, file],
        [filter, typeless],
      ]) {
        const response = await api.ask('POST', path, formOf(...parts));
        expect(response.body).toBe('');
        expect(response.statusCode).toBe(201);
        const location = String(response.headers['location']);
        expect(location.startsWith(`${path}/`)).toBe(true);
        expect((await api.ask('GET', location)).json()).toMatchObject({
          version: 'v1',
          global: true,
          artifact: {
            id: createHash('sha256').update(archive).digest('hex'),
            filename: 'company.tar.gz',
            url: expect.stringContaining('/files/'),
          },
        });
      }
    }
  });

  test('the archive and its listing are stored as content', async () => {
    const digest: Digest = `sha256:${createHash('sha256').update(archive).digest('hex')}`;
    expect(await api.content.stat(digest)).toMatchObject({ size: archive.length });
    const row = await api.database.db
      .selectFrom('customization_versions')
      .select(['inspection'])
      .executeTakeFirstOrThrow();
    const { listing } = row.inspection as { listing: Digest };
    expect(await api.content.stat(listing)).toBeDefined();
  });

  test('the customization shows warnings about its archive', async () => {
    const open = Array.from({ length: 12 }, (_, n) => rootfs(`etc/${n}`, { content: '', mode: 0o666 }));
    const content = await packed(open);
    const response = await api.ask('POST', path, formOf({ ...file, content }));
    const location = String(response.headers['location']);
    const { warnings, more_warnings_count } = (await api.ask('GET', location)).json();
    expect(warnings).toHaveLength(10);
    expect(warnings[0]).toEqual({ code: 'WORLD_WRITABLE', message: expect.any(String), path: 'rootfs/etc/0' });
    expect(more_warnings_count).toBe(2);
    const { items } = (await api.ask('GET', path)).json();
    expect(items.find(({ id }: { id: string }) => location.endsWith(id)).warnings).toEqual(warnings);
    // A version without warnings must not show the warnings of the previous version.
    expect((await api.ask('PATCH', location, formOf(file))).statusCode).toBe(204);
    const changed = (await api.ask('GET', location)).json();
    expect(changed.warnings).toEqual([]);
    expect(changed).not.toHaveProperty('more_warnings_count');
  });

  test('a file with a hostile name is stored under a safe one', async () => {
    const response = await api.ask(
      'POST',
      path,
      formOf({ name: 'file', content: archive, filename: '../../etc/\u202epasswd' }),
    );
    expect(response.statusCode).toBe(201);
    const made = (await api.ask('GET', String(response.headers['location']))).json();
    expect(made.artifact.filename).toBe('passwd');
    const nameless = await api.ask('POST', path, formOf({ name: 'file', content: archive }));
    const second = (await api.ask('GET', String(nameless.headers['location']))).json();
    expect(second.artifact.filename).toBe('customization.tar.gz');
  });
});

describe('204', () => {
  test('PATCH with a file creates a version, without a file it does not, without a body it changes nothing', async () => {
    const created = await api.ask('POST', path, formOf(file));
    const location = String(created.headers['location']);
    expect((await api.ask('PATCH', location, formOf({ name: 'name', content: 'renamed' }))).statusCode).toBe(204);
    expect((await api.ask('GET', location)).json()).toMatchObject({ version: 'v1', name: 'renamed' });
    const other = await packed([rootfs('etc/motd', { content: 'other' })]);
    expect((await api.ask('PATCH', location, formOf({ ...file, content: other }))).statusCode).toBe(204);
    expect((await api.ask('GET', location)).json()).toMatchObject({ version: 'v2', name: 'renamed' });
    expect((await api.ask('PATCH', location)).statusCode).toBe(204);
    expect((await api.ask('GET', location)).json()).toMatchObject({ version: 'v2' });
    expect((await api.ask('DELETE', location)).statusCode).toBe(204);
    const { removed_at: removed } = (await api.ask('GET', location)).json<{ removed_at: string }>();
    const again = [
      await api.ask('DELETE', location),
      await api.ask('PATCH', location, formOf({ name: 'name', content: 'x' })),
    ];
    for (const answer of again) {
      expect(answer.statusCode).toBe(404);
      expect(answer.json()).toMatchObject({
        type: '/problems/deleted',
        detail: `The customization was already deleted, at ${removed}; it cannot be changed any more.`,
      });
    }
  });
});

describe('400', () => {
  test('lists the violations of archive, fields and query together, and stores nothing', async () => {
    const before = await held();
    const bad = await packed([rootfs('proc/x', { content: 'x' }), rootfs('a/../../b', { content: 'y' })]);
    const response = await api.ask(
      'POST',
      `${path}?colour=red`,
      formOf(
        { name: 'filter', content: '{"branch":"7.0","base_image_id":"x","colour":"red"}' },
        { ...file, content: bad },
        { name: 'name', content: 'a\u0007b' },
        { name: 'size', content: 'large' },
      ),
    );
    expect(response.statusCode).toBe(400);
    const violations = violationsOf(response);
    expect(violations).toMatchObject({
      colour: 'Unknown parameter.',
      'filter.base_image_id': 'It should be a UUID.',
      'filter.colour': 'Unknown field.',
      'filter.branch': 'It requires filter.product_key.',
      name: 'It should be one line of visible text without control characters.',
      size: 'Unknown field.',
    });
    expect(Object.keys(violations).filter((field) => field.startsWith('file:')).length).toBeGreaterThanOrEqual(2);
    expect(await held()).toBe(before);
  });

  test('a valid archive with invalid fields is not stored', async () => {
    const content = await packed([rootfs('etc/never', { content: 'kept' })]);
    const before = await files();
    const response = await api.ask('POST', path, formOf({ ...file, content }, { name: 'name', content: '' }));
    expect(violationsOf(response)).toEqual({ name: 'It should not be empty.' });
    expect(await files()).toEqual(before);
  });

  test.each<[string, Part[], Record<string, string>]>([
    ['no file', [{ name: 'name', content: 'x' }], { file: 'It is required.' }],
    ['no parts', [], { file: 'It is required.' }],
  ])('%s', async (_, parts, expected) => {
    expect(violationsOf(await api.ask('POST', path, formOf(...parts)))).toEqual(expected);
  });

  test('no body at all', async () => {
    expect(violationsOf(await api.ask('POST', path))).toEqual({ file: 'It is required.' });
  });

  test('parts that are repeated, too long, not JSON or not UTF-8', async () => {
    const response = await api.ask(
      'POST',
      path,
      formOf(
        file,
        file,
        { name: 'filter', content: '{' },
        { name: 'name', content: Buffer.from([0xff]) },
        { name: 'description', content: 'x'.repeat(17 * 1024) },
      ),
    );
    expect(violationsOf(response)).toEqual({
      file: 'It should be given once.',
      filter: 'It should be JSON.',
      name: 'It should be UTF-8 of at most 16 KiB.',
      description: 'It should be UTF-8 of at most 16 KiB.',
    });
  });

  test('too many parts', async () => {
    const many = Array.from({ length: PARTS_MAX + 5 }, (_, index) => ({ name: `part_${index}`, content: 'x' }));
    const response = await api.ask('POST', path, formOf(...many));
    expect(violationsOf(response)).toEqual({ body: `It should have at most ${PARTS_MAX} parts.` });
  });

  test('a body that is not multipart', async () => {
    const headers = { 'content-type': 'multipart/form-data' };
    expect(violationsOf(await api.ask('POST', path, { body: 'x', headers }))).toHaveProperty('body');
    const cut = formOf(file);
    const response = await api.ask('POST', path, { ...cut, body: cut.body.subarray(0, -30) });
    expect(violationsOf(response)).toHaveProperty('body');
    expect((await api.ask('POST', path, { body: {} })).statusCode).toBe(415);
  });

  test('an empty file, and files that are not archives', async () => {
    for (const content of ['', 'x', 'x'.repeat(100_000)]) {
      const response = await api.ask('POST', path, formOf({ ...file, content }));
      expect([response.statusCode, Object.keys(violationsOf(response))]).toEqual([400, ['file']]);
    }
  });
});

describe('503', () => {
  test('while the disk is nearly full', async () => {
    free = 0.04;
    const response = await api.ask('POST', path, formOf(file));
    expect([response.statusCode, response.json().type]).toEqual([503, '/problems/unavailable']);
    expect(response.headers['retry-after']).toBe('60');
    free = undefined;
  });
});

describe('on a raw connection', () => {
  let port: number;
  beforeAll(async () => {
    await api.app.listen({ host: '127.0.0.1', port: 0 });
    port = (api.app.server.address() as AddressInfo).port;
  });

  test('an aborted upload leaves no file and releases its slot', async () => {
    const before = await files();
    const { headers, body } = formOf({ ...file, content: Buffer.concat([archive, Buffer.alloc(200_000)]) });
    for (let count = 0; count < UPLOAD_LIMITS.organization + 1; count++) {
      await breakOff(
        port,
        head('POST', path, { ...headers, 'content-length': String(body.length) }),
        body.subarray(0, -9_000),
      );
    }
    await vi.waitFor(async () => expect(await files()).toEqual(before), { timeout: 10_000 });
    expect((await api.ask('POST', path, formOf(file))).statusCode).toBe(201);
  });

  test('a rejected upload is read to its end, so that its sender receives the answer', async () => {
    const { headers, body } = formOf({ ...file, content: Buffer.alloc(20 * 1024 * 1024) });
    const rejected = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body });
    expect(rejected.status).toBe(401);
    const authorization = `Bearer ${api.acme.access.OWNER}`;
    const checked = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      headers: { ...headers, authorization },
      body,
    });
    expect(checked.status).toBe(400);
  });

  test('an upload with a too large Content-Length is rejected before it is read', async () => {
    const length = String(ARCHIVE_BYTES_MAX + 10 * 1024 * 1024);
    const { headers } = formOf(file);
    const answer = await firstAnswer(port, head('POST', path, { ...headers, 'content-length': length }));
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain('The limit is 1025 MiB.');
  });
});

function head(method: string, url: string, headers: Record<string, string>): string {
  const all = { host: 'x', authorization: `Bearer ${api.acme.access.OWNER}`, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${url} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** Sends the head of a request without a body, and resolves with the first bytes of the answer. */
function firstAnswer(port: number, first: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(first));
    socket.once('data', (chunk) => {
      resolve(chunk.toString());
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

/** Sends the beginning of a request, closes the connection when it is sent, and resolves with the received bytes. */
function breakOff(port: number, first: string, body: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(first);
      socket.write(body, () => socket.destroy());
    });
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('close', () => resolve(answer)).on('error', () => {});
  });
}
