// The main job in the whole service: request, customize, pull with another client, break and delete the customization, and
// kill each process.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EmbeddedRelease } from '../../src/contract/release.ts';
import type { ImageConfig, Index, Manifest } from '../../src/oci/descriptor.ts';
import { archiveOf } from '../customization-archive.ts';
import { DUMMY_KEY } from '../fixtures/customization.ts';
import { PATIENCE_MS, type Service, startTestService, until } from '../service.ts';

/** The time limit of the test. It is longer than each wait, so that a failed wait is reported by its name. */
const STORY_MS = 2 * PATIENCE_MS;

let service: Service;
let scratch: string;
let customizationId: string;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'larder-story-'));
  service = await startTestService();
}, STORY_MS);

afterAll(async () => {
  await service?.stop();
  rmSync(scratch, { recursive: true, force: true });
}, STORY_MS);

async function request(keys: string[]): Promise<string> {
  const { client, catalog_id } = service;
  const base = (await client.call('listBaseImages', {})).items.find(({ name }) => name === 'Debian 12');
  const offerings = await client.call('listOfferings', {
    operating_system_name: 'Debian 12',
    packaging_types: ['CONTAINER_IMAGE'],
    page_size: 100,
  });
  const ids = offerings.items.filter(({ product }) => keys.includes(product.key)).map(({ id }) => id);
  expect(ids).toHaveLength(keys.length);
  const request = { kind: 'CREATION' as const, name: keys.join(' '), application_offering_ids: ids };
  const { id } = await client.call('createApplicationRequest', {
    catalog_id,
    ...request,
    base_image_id: base?.id ?? '',
  });
  return id;
}

async function completed(application_request_id: string) {
  const { client, catalog_id } = service;
  return await until('the request ended', async () => {
    // A killed server does not answer until its restart.
    const found = await client
      .call('getApplicationRequest', { catalog_id, application_request_id })
      .catch(() => undefined);
    if (found?.status === 'FAILED') throw new Error(JSON.stringify(await client.call('listPipelines', { catalog_id })));
    return found?.status === 'COMPLETED' && found;
  });
}

async function releaseUrls(): Promise<string[]> {
  const { items } = await service.client.call('listReleases', { catalog_id: service.catalog_id, page_size: 100 });
  return items.map(({ artifact }) => artifact.url ?? '').sort();
}

async function settled(pattern: RegExp) {
  const { client, catalog_id } = service;
  return await until('the customization settled', async () => {
    const found = await client.call('getCustomization', { catalog_id, customization_id: customizationId });
    return pattern.test(found.status ?? '') && found;
  });
}

/** Pulls with skopeo, which is not Larder's client, and reads the image from skopeo's layout. */
function pull(reference: string, name: string) {
  const layout = join(scratch, name);
  const source = `docker://${service.url.slice('http://'.length)}/main/containers/debian-12/${reference}`;
  const options = ['--src-tls-verify=false', '--src-creds', `x:${service.apiToken}`];
  execFileSync('skopeo', ['copy', '--quiet', ...options, source, `oci:${layout}:pulled`]);
  const blob = (digest: string) => readFileSync(join(layout, 'blobs', 'sha256', digest.slice('sha256:'.length)));
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as Index;
  const manifest = JSON.parse(blob(index.manifests[0]?.digest ?? '').toString()) as Manifest;
  const config = JSON.parse(blob(manifest.config.digest).toString()) as ImageConfig;
  const last = gunzipSync(blob(manifest.layers.at(-1)?.digest ?? ''));
  const file = (path: string) => execFileSync('tar', ['-xOf', '-', path], { input: last, encoding: 'utf8' });
  return { manifest, config, file };
}

describe('the main job', () => {
  test('redis, nginx and postgresql are requested and released', { timeout: STORY_MS }, async () => {
    const { client, catalog_id } = service;
    const done = await completed(await request(['redis', 'nginx', 'postgresql']));
    expect(done.applications.map(({ processing_status }) => processing_status?.status)).toEqual(
      Array(3).fill('COMPLETED'),
    );
    for (const { latest_release } of done.applications) {
      const release = await client.call('getRelease', { catalog_id, release_id: latest_release?.id ?? '' });
      expect(release.artifact.version).toMatch(/^\d+\.[\d.]+-debian-12-r0$/);
      const files = release.platform_release_metadata?.flatMap(({ release_metadata }) => release_metadata) ?? [];
      const names = files.map(({ filename }) => filename).sort();
      expect(names).toEqual(
        expect.arrayContaining(['build.log', 'result.json', 'sbom.spdx.json', 'test-results.json']),
      );
      for (const { url } of files) {
        const signed = (await (await client.send({ method: 'GET', path: url })).json()) as { url: string };
        const answer = await fetch(new URL(signed.url, service.url));
        expect([url, answer.status]).toEqual([url, 200]);
        expect((await answer.text()).length).toBeGreaterThan(0);
      }
      const links = Object.values(release._links)
        .flat()
        .filter((link) => link !== undefined);
      for (const { href } of links) {
        expect([href, (await client.send({ method: 'GET', path: href })).status]).toEqual([href, 200]);
      }
    }
  });

  test('a customization is applied to all of them, and another client finds its files', {
    timeout: STORY_MS,
  }, async () => {
    const before = pull('redis:7.0', 'plain');
    const file = await archiveOf(
      scratch,
      {
        'customization.yaml': 'environment:\n  COMPANY: acme\n',
        'rootfs/lib/company/motd': 'hello\n',
        'rootfs/etc/company.key': DUMMY_KEY,
      },
      'company',
    );
    const { client, catalog_id } = service;
    customizationId = (await client.call('createCustomization', { catalog_id, name: 'company', file })).id;
    const done = await settled(/_(SUCCEEDED|FAILED)$/);
    expect(done.status).toBe('PROCESSING_CREATE_SUCCEEDED');
    expect(done.affected_releasables?.map(({ status }) => status)).toEqual(Array(3).fill('SUCCEEDED'));
    expect(done.succeeded_releases).toHaveLength(3);
    expect(done.warnings).toMatchObject([{ code: 'PRIVATE_KEY_KEPT', path: 'rootfs/etc/company.key' }]);
    for (const release of done.succeeded_releases) {
      const trigger = JSON.parse(await fileOf(release, 'result.json'));
      expect(trigger.warnings).toEqual([
        { customization_id: customizationId, customization_version: 1, ...done.warnings[0] },
      ]);
      expect(trigger.reasons).toContain('Customization company was applied in version 1.');
      const log = await fileOf(release, 'build.log');
      expect(log).toContain(
        'customization "company" v1: warning: rootfs/etc/company.key: The file holds a private key',
      );
    }
    const after = pull('redis:7.0', 'customized');
    expect(after.config.config?.Env).toContain('COMPANY=acme');
    // The image's own link /lib → usr/lib stays, so the file is in usr/lib.
    expect(after.file('usr/lib/company/motd')).toBe('hello\n');
    expect(after.manifest.layers.slice(0, before.manifest.layers.length)).toEqual(before.manifest.layers);
  });

  test('the error of a failing script names the line, and the last good release stays', {
    timeout: STORY_MS,
  }, async () => {
    const { client, catalog_id } = service;
    const file = await archiveOf(scratch, { 'scripts/final.sh': '#!/bin/sh\nset -e\necho before\nfalse\n' }, 'broken');
    await client.call('updateCustomization', { catalog_id, customization_id: customizationId, file });
    const done = await settled(/UPDATE_(SUCCEEDED|FAILED)$/);
    expect(done.status).toBe('PROCESSING_UPDATE_FAILED');
    expect(done.version).toBe('v2');
    const failure = done.affected_releasables?.[0]?.failure;
    expect(failure?.cause).toBe('CUSTOMIZATION_BUILD_ERROR');
    expect(failure?.description).toMatch(/final.*line 4/s);
    expect((await releaseUrls()).filter((url) => url.endsWith('-r2'))).toEqual([]);
  });

  test('the next revision does not contain a deleted customization', { timeout: STORY_MS }, async () => {
    const { client, catalog_id } = service;
    await client.call('deleteCustomization', { catalog_id, customization_id: customizationId });
    expect((await settled(/DELETE_(SUCCEEDED|FAILED)$/)).status).toBe('PROCESSING_DELETE_SUCCEEDED');
    const after = pull('redis:7.0', 'again');
    expect(after.config.config?.Env).not.toContain('COMPANY=acme');
  });
});

describe.each(['worker', 'server', 'postgres'] as const)('kill -9 of the %s', (what) => {
  const product = { worker: 'memcached', server: 'haproxy', postgres: 'redis' }[what];

  test('loses nothing and releases nothing twice', { timeout: STORY_MS }, async () => {
    const { client, catalog_id } = service;
    const before = await releaseUrls();
    if (product === 'redis') await removeApplication(product);
    const id = await request([product]);
    await until('the pipeline runs', async () => {
      const { items } = await client.call('listPipelines', { catalog_id, page_size: 1 });
      return items[0]?.product.key === product && items[0].phases.some(({ status }) => status !== 'PENDING');
    });
    process.kill(service.pidOf(what), 'SIGKILL');
    const killed = Date.now();
    await completed(id);
    console.log(`${what}: released ${((Date.now() - killed) / 1000).toFixed(1)} s after the kill`);
    const made = (await releaseUrls()).filter((url) => !before.includes(url));
    expect(made).toHaveLength(1);
    expect(made[0]).toContain(`/${product}:`);
  });
});

/** Returns the text of a file of a release. */
async function fileOf(release: EmbeddedRelease, name: string): Promise<string> {
  const files = release.platform_release_metadata?.flatMap(({ release_metadata }) => release_metadata) ?? [];
  const url = files.find(({ filename }) => filename === name)?.url ?? '';
  const signed = (await (await service.client.send({ method: 'GET', path: url })).json()) as { url: string };
  return await (await fetch(new URL(signed.url, service.url))).text();
}

async function removeApplication(key: string): Promise<void> {
  const { client, catalog_id } = service;
  const { items } = await client.call('listApplications', { catalog_id, product_key: key });
  const application_ids = items.map(({ id }) => id);
  await client.call('createApplicationRequest', { catalog_id, kind: 'DELETION', name: 'remove', application_ids });
}
