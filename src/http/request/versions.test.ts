// Entity tags and observed fields, which Larder itself updates. An update by Larder changes the tag of a resource, but a
// client can still change the resource with the earlier tag.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestEstates, type TestEstates } from '../../../test/estate.ts';
import { type IdOf, samplePath, sampleQuery } from '../../../test/sample-request.ts';
import { recordRegistryHealth } from '../../catalog/registry-checks.ts';
import type { EndpointDefinition } from '../../contract/endpoint.ts';
import { endpoints } from '../../contract/endpoints.ts';
import { PipelineMetadata } from '../../contract/file.ts';
import { RegistryDetailed } from '../../contract/registry.ts';
import { useRegistryCredential } from '../../identity/registry-passwords.ts';
import { answersThing } from '../read-endpoints.ts';
import { versionReader } from './versions.ts';

let estates: TestEstates;
beforeAll(async () => {
  estates = await openTestEstates();
}, 120_000);
afterAll(() => estates.api.close());

const first: IdOf = (kind) => estates.shared[kind] ?? estates.acme[kind]?.[0] ?? '';
const last: IdOf = (kind) => estates.shared[kind] ?? estates.acme[kind]?.at(-1) ?? '';

const tagAt = async (path: string) => String((await estates.api.ask('GET', path)).headers['etag']);
const statusOf = async (path: string, tag: string) =>
  (await estates.api.ask('GET', path, { headers: { 'if-none-match': tag } })).statusCode;

/** Resources of acme. Each has an update by Larder and a change by a person. */
const WATCHED: { noun: string; path: () => string; observe: () => Promise<unknown>; change: object }[] = [
  {
    noun: 'a registry that is checked',
    path: () => `/v1/registries/${last('registry_id')}`,
    observe: () =>
      estates.catalog.write((tx) =>
        recordRegistryHealth(tx, { registry_id: last('registry_id'), unhealthy_cause: 'It is away' }),
      ),
    change: { body: { name: 'renamed' } },
  },
  {
    noun: 'a base image whose registry is checked',
    path: () => `/v1/base-images/${last('base_image_id')}`,
    observe: () => estates.catalog.write((tx) => recordRegistryHealth(tx, { registry_id: last('registry_id') })),
    change: { body: { name: 'renamed' } },
  },
  {
    noun: 'a customization that is built in',
    path: () => `/v1/catalogs/${first('catalog_id')}/customizations/${first('customization_id')}`,
    observe: async () => {
      const [pipeline = ''] = await estates.catalog.openPipelines(first('application_id'));
      await estates.catalog.finish(pipeline);
    },
    change: {
      body: '--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nrenamed\r\n--x--\r\n',
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
    },
  },
];

describe('an observation', () => {
  test.each(WATCHED)('of $noun changes its tag, and a change with the earlier tag is accepted', async (watched) => {
    const path = watched.path();
    const [before, again] = [await tagAt(path), await tagAt(path)];
    expect(again).toBe(before);
    await watched.observe();
    const after = await tagAt(path);
    expect(after).not.toBe(before);
    expect([await statusOf(path, before), await statusOf(path, after)]).toEqual([200, 304]);
    const change = async (tag: string) => {
      const { headers, ...sent } = { headers: {}, ...watched.change };
      const answer = await estates.api.ask('PATCH', path, { ...sent, headers: { ...headers, 'if-match': tag } });
      return answer.statusCode;
    };
    expect(await change(before)).toBe(204);
    expect([await change(before), await change(after)]).toEqual([412, 412]);
    expect(await change(await tagAt(path))).toBe(204);
  });

  test('of the use of a credential does not prevent its revocation with the earlier tag', async () => {
    const path = `/v1/registries/${first('registry_id')}/credentials/${first('credential_id')}`;
    const before = await tagAt(path);
    await useRegistryCredential(estates.catalog.db, first('credential_id'));
    expect(await tagAt(path)).not.toBe(before);
    const revoke = () => estates.api.ask('DELETE', path, { headers: { 'if-match': before } });
    expect((await revoke()).statusCode).toBe(204);
    expect((await revoke()).statusCode).toBe(412);
  });

  test('is not in the version, also in lists, variants and nested things', () => {
    const registry = { id: 'r', name: 'n', url: 'u', healthy: true, last_checked_at: 'now', application_count: 1 };
    const text = JSON.stringify(registry);
    expect(JSON.parse(versionReader(RegistryDetailed)(text))).toEqual({ id: 'r', name: 'n', url: 'u' });
    expect(versionReader(PipelineMetadata)(text)).toBe(text);
    const { body } = endpoints.getApplication.success;
    const version = versionReader(body)(JSON.stringify({ registries: [registry], base_image: { healthy: true } }));
    expect(JSON.parse(version)).toEqual({
      registries: [{ ...registry, healthy: undefined, last_checked_at: undefined }],
      base_image: {},
    });
  });
});

describe('a tag', () => {
  const things = Object.entries<EndpointDefinition>(endpoints).filter(([, one]) => answersThing(one));

  test.each(things)('of %s stays the same while nothing changes', async (_, endpoint) => {
    const path = samplePath(endpoint, first) + sampleQuery(endpoint, {}, first);
    const tags = [await tagAt(path), await tagAt(path)];
    expect(tags[0]).toMatch(/^"[\w-]{22}\.[\w-]{22}"$/);
    expect(tags[1]).toBe(tags[0]);
  });

  test('is not given to a signed URL, which differs each time', async () => {
    const file = `/v1/catalogs/${first('catalog_id')}/files/${first('digest')}?filename=x.tar.gz`;
    const answer = await estates.api.ask('GET', file, { headers: { 'if-none-match': '*' } });
    expect([answer.statusCode, answer.headers['etag'], answer.headers['cache-control']]).toEqual([
      200,
      undefined,
      'no-store',
    ]);
  });
});
