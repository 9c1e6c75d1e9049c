// Every list of the contract, with real data. Each filter returns only matching items, each order works in both directions,
// and pages contain each item once. The test fails if a parameter of the contract has no entry in test/list-questions.ts.
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf, library } from '../../test/catalog.ts';
import { breakByCustomization, openTestEstates, type TestEstates } from '../../test/estate.ts';
import { packed, rootfs } from '../../test/fixtures/customization.ts';
import { type Item, type List, listsOf } from '../../test/list-questions.ts';
import { formOf } from '../../test/multipart.ts';
import { type IdOf, samplePath } from '../../test/sample-request.ts';
import { createApplicationRequest } from '../catalog/application-requests.ts';
import { moveLifeCycles } from '../catalog/life-cycle.ts';
import type { EndpointDefinition } from '../contract/endpoint.ts';
import { endpoints } from '../contract/endpoints.ts';
import { recordDiscovery } from '../pipelines/discovery.ts';

let estates: TestEstates;
let lists: Record<string, List>;
const own: IdOf = (kind) => estates.shared[kind] ?? estates.acme[kind]?.[0] ?? '';
const base = () => estates.catalog.base;

const table = Object.entries<EndpointDefinition>(endpoints).filter(
  ([, { method, query, path }]) => method === 'GET' && query !== undefined && !/files|release-failures/.test(path),
);
const PAGED = new Set(['page', 'page_size', 'size', 'cursor', 'order_field', 'order_direction']);
const namesOf = ({ query }: EndpointDefinition) => Object.keys(query?.properties ?? {});
const isPaged = (endpoint: EndpointDefinition) => namesOf(endpoint).includes('page');
const sizeOf = (endpoint: EndpointDefinition) => (namesOf(endpoint).includes('size') ? 'size' : 'page_size');

function listOf(operation: string): List {
  const list = lists[operation];
  if (list === undefined) throw new Error(`test/list-questions.ts has no entry for ${operation}`);
  return list;
}

async function answerTo(operation: string, query: Record<string, string>): Promise<Item> {
  const endpoint = table.find(([name]) => name === operation)?.[1] as EndpointDefinition;
  const size = isPaged(endpoint) ? { [sizeOf(endpoint)]: '100' } : {};
  const text = new URLSearchParams({ ...size, ...listOf(operation).base, ...query }).toString();
  const response = await estates.api.ask('GET', `${samplePath(endpoint, own)}?${text}`);
  expect([text, response.statusCode]).toEqual([text, 200]);
  return response.json();
}

async function read(operation: string, query: Record<string, string> = {}): Promise<Item[]> {
  const answer = await answerTo(operation, query);
  return listOf(operation).items?.(answer) ?? answer.items;
}

/** Identifies an item by its id. Items of the main catalog have no id, so their JSON is used. */
const nameOf = (item: Item): string => item.id ?? JSON.stringify(item);

async function make(path: string, sent: object): Promise<string> {
  const made = await estates.api.ask('POST', path, sent);
  expect([path, made.statusCode, made.statusCode === 201 ? '' : made.body]).toEqual([path, 201, '']);
  return String(made.headers['location']);
}

const day = (days: number) => sql`(now() at time zone 'UTC')::date + ${days}::integer`;

/** Returns a product with another operating system and with a branch whose name is not a version. */
function memcached() {
  const [first] = library();
  if (first === undefined) throw new Error('The library is empty');
  const recipe = { ...first.recipe, key: 'memcached', name: 'Memcached', category: 'Cache', description: 'A cache' };
  const versions = [{ branch: 'mainline', version: '1.6.38', purl: 'pkg:deb/debian/memcached@1.6.38-1' }];
  const found = [{ operating_system: 'debian-13', versions }];
  return { ...first, recipe: { ...recipe, life_cycle: [] }, recipe_digest: digestOf('memcached'), found };
}

/** Returns the library in which redis also exists on the next Debian. */
function onBoth() {
  return library().map((one) => ({
    ...one,
    found:
      one.recipe.key === 'redis'
        ? [...one.found, ...one.found.map((found) => ({ ...found, operating_system: 'debian-13' }))]
        : one.found,
  }));
}

async function addApplications(): Promise<void> {
  const { catalog, api } = estates;
  const requests = `/v1/catalogs/${own('catalog_id')}/application-requests`;
  const somebody = { ...catalog.acme, principal: { ...catalog.acme.principal, name: 'adam' } };
  const [nginx = ''] = (await catalog.request(somebody, ['nginx'])).application_ids;
  await catalog.finish(await catalog.openPipeline(nginx));
  await breakByCustomization(catalog, catalog.acme, { application_id: nginx, product_key: 'nginx' });
  await catalog.customize(catalog.acme, 'later', { product_key: 'nginx' });
  await catalog.finish(await catalog.openPipeline(nginx));
  const offerings = [catalog.offerings.get('postgresql')];
  const body = { kind: 'CREATION', name: 'a database', application_offering_ids: offerings, base_image_id: base() };
  await make(requests, {
    token: api.acme.access.EDITOR,
    body: { ...body, registry_ids: [estates.acme['registry_id']?.[1]] },
  });
  await catalog.clearJobs();
  const postgresql = (await read('listApplications', { product_key: 'postgresql' }))[0]?.id;
  await catalog.finish(await catalog.openPipeline(postgresql));
  const redis = own('application_id');
  const removal = {
    kind: 'DELETION' as const,
    catalog_id: own('catalog_id'),
    name: 'no redis',
    application_ids: [redis],
  };
  await catalog.write((tx) => createApplicationRequest(tx, somebody.principal, removal));
  await make(requests, { body: { kind: 'DELETION', name: 'no database', application_ids: [postgresql] } });
}

async function addPlaces(): Promise<void> {
  const registry = {
    name: 'hub',
    description: '',
    provider: 'DOCKERHUB',
    url: 'https://index.docker.io',
    access_secret: 's',
  };
  await make('/v1/registries', { body: { ...registry, access_key: 'robot' } });
  const gone = [await make('/v1/registries', { body: { ...registry, name: 'gone', access_key: 'robot' } })];
  const image = {
    name: 'gone',
    description: '',
    container_image: 'b:1',
    registry_id: estates.acme['registry_id']?.[1],
  };
  const operating_system_id = own('operating_system_id');
  gone.push(await make('/v1/base-images', { body: { ...image, operating_system_id } }));
  await make('/v1/base-images', { body: { ...image, name: 'unused', operating_system_id } });
  const credentials = `/v1/registries/${own('registry_id')}/credentials`;
  gone.push(await make(credentials, { body: { description: 'x' } }));
  gone.push(await make('/larder/v1/api-tokens', { body: { name: 'gone' } }));
  const users = '/larder/v1/users';
  gone.push(await make(users, { body: { name: 'gone', role: 'VIEWER' } }));
  await make(users, { body: { name: 'bertha', role: 'EDITOR' } });
  const providers = '/v1/notification-providers';
  gone.push(await make(providers, { body: { type: 'EMAIL', name: 'gone' } }));
  const quiet = await make(providers, { body: { type: 'EMAIL', name: 'a quiet one' } });
  await estates.api.ask('PATCH', quiet, { body: { type: 'EMAIL', enabled: false } });
  await estates.api.ask('POST', `/larder/v1/notification-providers/${own('provider_id')}/test`);
  const content = await packed([rootfs('etc/motd', { content: 'x' })]);
  const file = { name: 'file', filename: 'x.tar.gz', content };
  const customizations = `/v1/catalogs/${own('catalog_id')}/customizations`;
  const filtered = (filter: object) => formOf({ name: 'filter', content: JSON.stringify(filter) }, file);
  await make(customizations, filtered({ product_key: 'redis', branch: '7.0' }));
  gone.push(await make(customizations, filtered({ base_image_id: base() })));
  for (const path of gone) expect([path, (await estates.api.ask('DELETE', path)).statusCode]).toEqual([path, 204]);
}

beforeAll(async () => {
  estates = await openTestEstates();
  lists = listsOf(estates);
  const { catalog } = estates;
  await catalog.write((tx) => recordDiscovery(tx, [...onBoth(), memcached()]));
  await addPlaces();
  await addApplications();
  await sql`update product_branches set end_of_life_at = case product_key when 'nginx' then ${day(-1)}
    when 'postgresql' then ${day(30)} end`.execute(catalog.db);
  await catalog.write((tx) => moveLifeCycles(tx));
  await sql`update offerings set status = 'HIDDEN' where product_key = 'memcached'`.execute(catalog.db);
  await sql`update operating_systems set status = 'DEPRECATED' where key = 'debian-12'`.execute(catalog.db);
}, 180_000);
afterAll(() => estates.api.close());

const filters = table.flatMap(([operation, endpoint]) =>
  namesOf(endpoint)
    .filter((name) => !PAGED.has(name))
    .map((name) => ({ operation, name })),
);

describe('a filter returns the matching items and no others', () => {
  test.each(filters)('$operation?$name', async ({ operation, name }) => {
    const values = listOf(operation).filters[name];
    if (values === undefined)
      throw new Error(`test/list-questions.ts has no values for the filter ${name} of ${operation}`);
    const everything = await read(operation);
    for (const { value, keeps, whole, beyond, ...filter } of values) {
      const sent = value();
      const kept = await read(operation, { ...filter.with?.(), [name]: sent });
      if (beyond) {
        expect([sent, kept.length > 0, kept.filter((item) => !keeps(item))]).toEqual([sent, true, []]);
        continue;
      }
      const wanted = everything.filter(keeps).map(nameOf).sort();
      if (!/minimal_info|expand/.test(name)) expect([sent, kept.map(nameOf).sort()]).toEqual([sent, wanted]);
      else expect(kept).toHaveLength(wanted.length);
      // If no item or every item matched, the test would prove nothing.
      if (!whole) expect([sent, kept.length > 0 && kept.length < everything.length]).toEqual([sent, true]);
    }
  });
});

const byName = new Intl.Collator('und', { numeric: true }).compare;

const orders = table.flatMap(([operation, { query }]) => {
  const fields = query?.properties['order_field'] as { enum?: string[] } | undefined;
  return (fields?.enum ?? []).map((order_field) => ({ operation, order_field }));
});

describe('an order works in both directions', () => {
  test.each(orders)('$operation by $order_field', async ({ operation, order_field }) => {
    const by = listOf(operation).orders?.[order_field];
    if (by === undefined)
      throw new Error(`test/list-questions.ts has no value for the order ${order_field} of ${operation}`);
    const valuesOf = async (order_direction: string) =>
      (await read(operation, { order_field, order_direction })).map((item) => (by === 'one' ? '' : by(item)));
    const up = await valuesOf('ASC');
    const down = await valuesOf('DESC');
    const given = (values: unknown[]) => values.filter((value) => value !== undefined).map(String);
    if (by !== 'one') expect(new Set(given(up)).size).toBeGreaterThan(1);
    // Items without a value come last in both directions.
    expect(up.slice(0, given(up).length)).not.toContain(undefined);
    expect(down.slice(0, given(down).length)).not.toContain(undefined);
    // The server compares numbers in names by value.
    const inOrder = (values: string[]) => (order_field.endsWith('NAME') ? values.sort(byName) : values.sort());
    expect(given(up)).toEqual(inOrder([...given(up)]));
    expect(given(down)).toEqual(inOrder([...given(down)]).reverse());
  });
});

describe('pages', () => {
  const pages = table
    .filter(([, endpoint]) => isPaged(endpoint))
    .map(([operation, endpoint]) => ({ operation, endpoint }));

  test.each(pages)('of $operation contain each item once', async ({ operation, endpoint }) => {
    const size = sizeOf(endpoint);
    const whole = await answerTo(operation, {});
    const seen: string[] = [];
    for (let page = 1; page <= whole.total_size; page++) {
      const one = await answerTo(operation, { page: String(page), [size]: '1' });
      const counts = { page, page_size: 1, total_size: whole.total_size, total_pages: whole.total_size };
      expect({ ...one, items: one.items.length }).toEqual({ ...counts, items: 1 });
      seen.push(...one.items.map(nameOf));
    }
    expect(seen).toEqual(whole.items.map(nameOf));
    const past = await answerTo(operation, { page: String(whole.total_size + 1), [size]: '1' });
    expect(past).toMatchObject({ total_size: whole.total_size, items: [] });
  });
});
