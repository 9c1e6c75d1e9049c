// Every route answers a request for an existing resource of another organization as if the resource did not exist.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { packed, rootfs } from '../../test/fixtures/customization.ts';
import { formOf } from '../../test/multipart.ts';

let api: TestApi;
/** Paths of resources of the organization acme. */
let registry: string;
let customization: string;
let file: string;

beforeAll(async () => {
  api = await openTestApi();
  const catalog = `/v1/catalogs/${api.acme.catalog_id}`;
  const body = {
    name: 'harbor',
    description: '',
    provider: 'OCI',
    url: 'https://x.example',
    access_secret: 's3cret',
  };
  registry = String((await api.ask('POST', '/v1/registries', { body })).headers['location']);
  const content = await packed([rootfs('etc/motd', { content: randomBytes(8) })]);
  const made = await api.ask('POST', `${catalog}/customizations`, formOf({ name: 'file', filename: 'x.tgz', content }));
  customization = String(made.headers['location']);
  file = (await api.ask('GET', customization)).json().artifact.url;
}, 60_000);
afterAll(() => api.close());

const detail = expect.stringMatching(
  /^There is no (registry|customization|file) \S+( in catalog \S+)? that is visible to you\.$/,
);
const NOT_FOUND = { type: '/problems/not-found', title: 'Not found', status: 404, detail };
const rival = () => ({ token: api.rival.access.OWNER });

test('their own organization reads them', async () => {
  for (const path of [registry, customization, file]) expect((await api.ask('GET', path)).statusCode).toBe(200);
});

test('a secret is in no answer, and sealed in the database', async () => {
  const answers = [await api.ask('GET', registry), await api.ask('GET', '/v1/registries')];
  for (const { body } of answers) expect(body).not.toContain('s3cret');
  const row = await api.database.db
    .selectFrom('registries')
    .selectAll()
    .where('name', '=', 'harbor')
    .executeTakeFirst();
  expect(JSON.stringify(row)).not.toContain('s3cret');
  expect(row?.sealed_access_secret?.includes('s3cret')).toBe(false);
});

describe('another organization', () => {
  test('cannot read, change or delete them, through either catalog', async () => {
    const through = customization.replace(api.acme.catalog_id, api.rival.catalog_id);
    const fileThrough = file.replace(api.acme.catalog_id, api.rival.catalog_id);
    const name = formOf({ name: 'name', content: 'mine' });
    const answers = [
      await api.ask('GET', registry, rival()),
      await api.ask('PATCH', registry, { ...rival(), body: { name: 'mine' } }),
      await api.ask('DELETE', registry, rival()),
      ...(await Promise.all(
        [customization, through].flatMap((path) => [
          api.ask('GET', path, rival()),
          api.ask('PATCH', path, { ...rival(), ...name }),
          api.ask('DELETE', path, rival()),
        ]),
      )),
      await api.ask('GET', file, rival()),
      await api.ask('GET', fileThrough, rival()),
    ];
    for (const answer of answers) {
      const { instance: _, ...problem } = answer.json();
      expect(problem).toEqual(NOT_FOUND);
    }
    expect((await api.ask('GET', customization)).json()).not.toHaveProperty('removed_at');
  });

  test('does not see them in lists', async () => {
    const lists = ['/v1/registries', '/v1/catalogs', `/v1/catalogs/${api.rival.catalog_id}/customizations`];
    for (const path of lists) {
      const { body } = await api.ask('GET', path, rival());
      expect(body).not.toContain(registry.split('/').at(-1));
      expect(body).not.toContain(customization.split('/').at(-1));
      expect(body).not.toContain(api.acme.catalog_id);
    }
  });
});

test('the links of created things work', async () => {
  const made = (await api.ask('GET', customization)).json();
  expect((await api.ask('GET', made._links.catalog.href)).statusCode).toBe(200);
  const { _links } = (await api.ask('GET', `/v1/catalogs/${api.acme.catalog_id}`)).json();
  for (const { href } of Object.values<{ href: string }>(_links))
    expect((await api.ask('GET', href)).statusCode).toBe(200);
});

test('an organization renames and removes its own things, and lists the removed ones', async () => {
  const body = { name: 'harbor 2' };
  expect((await api.ask('PATCH', registry, { body, token: api.acme.access.EDITOR })).statusCode).toBe(204);
  expect((await api.ask('GET', registry)).json()).toMatchObject({ name: 'harbor 2', owned: true });
  expect((await api.ask('DELETE', registry)).statusCode).toBe(204);
  const removed = (await api.ask('GET', '/v1/registries?removed=true')).json();
  expect(removed.items).toEqual([expect.objectContaining({ name: 'harbor 2', removed_by: 'jane' })]);
});
