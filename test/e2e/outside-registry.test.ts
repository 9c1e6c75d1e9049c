// An outside registry with a base image, in the whole service: releases to the registry, wrong credentials, an outage, and a
// base image whose tag moves.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Index } from '../../src/oci/descriptor.ts';
import { archiveOf } from '../customization-archive.ts';
import { type DockerRegistry, startDockerRegistry } from '../docker-registry.ts';
import { type FaultyProxy, startFaultyProxy } from '../faulty-proxy.ts';
import { pullImage, runImage } from '../pulled-image.ts';
import { PATIENCE_MS, type Service, startTestService, until } from '../service.ts';

/** The time limit of the test. It is longer than each wait, so that a failed wait is reported by its name. */
const STORY_MS = 2 * PATIENCE_MS;
const LOGIN = { username: 'robot', password: 'open sesame 7' };
const CREDS = `${LOGIN.username}:${LOGIN.password}`;
/** The repository of redis in the outside registry. It begins with the path with which the registry is registered. */
const REDIS = 'team/containers/debian-12/redis';

let service: Service;
let docker: DockerRegistry;
/**
 * A proxy at the address that Larder knows as the registry's address. The proxy counts requests, and lets them fail if a test
 * says so.
 */
let proxy: FaultyProxy;
let scratch: string;
let registry_id: string;
let customization_id: string;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'larder-outside-'));
  docker = await startDockerRegistry({ htpasswd: LOGIN });
  proxy = await startFaultyProxy(docker.url);
  service = await startTestService({ LARDER_EGRESS_ALLOW: '127.0.0.1' });
}, STORY_MS);

afterAll(async () => {
  await service?.stop();
  await proxy?.stop();
  await docker?.stop();
  rmSync(scratch, { recursive: true, force: true });
}, STORY_MS);

async function request(base_image_id: string, registry_ids: string[]): Promise<string> {
  const { client, catalog_id } = service;
  const offerings = await client.call('listOfferings', {
    operating_system_name: 'Debian 12',
    packaging_types: ['CONTAINER_IMAGE'],
    page_size: 100,
  });
  const application_offering_ids = offerings.items.filter(({ product }) => product.key === 'redis').map(({ id }) => id);
  const request = { kind: 'CREATION' as const, name: 'redis', application_offering_ids, base_image_id, registry_ids };
  const { id } = await client.call('createApplicationRequest', { catalog_id, ...request });
  await until('the request ended', async () => {
    const { status } = await client.call('getApplicationRequest', { catalog_id, application_request_id: id });
    if (status === 'FAILED') throw new Error(JSON.stringify(await client.call('listPipelines', { catalog_id })));
    return status === 'COMPLETED';
  });
  return id;
}

async function baseImage(name: string): Promise<string> {
  const { items } = await service.client.call('listBaseImages', {});
  return items.find((one) => one.name === name)?.id ?? '';
}

async function hostedRegistry(): Promise<string> {
  return (await service.client.call('listRegistries', { hosted: true })).items[0]?.id ?? '';
}

async function releases() {
  const { items } = await service.client.call('listReleases', { catalog_id: service.catalog_id, page_size: 100 });
  return items;
}

/**
 * Returns the customization after its last operation and the newest pipeline have ended. The operation succeeds with the
 * first release.
 */
async function settled(operation: 'CREATE' | 'UPDATE' | 'DELETE') {
  const { client, catalog_id } = service;
  return await until('the customization settled', async () => {
    const found = await client.call('getCustomization', { catalog_id, customization_id });
    const [newest] = (await client.call('listPipelines', { catalog_id, page_size: 1 })).items;
    const isOver = new RegExp(`_${operation}_(SUCCEEDED|FAILED)$`).test(found.status ?? '');
    return isOver && newest?.status !== 'IN_PROGRESS' && found;
  });
}

async function motd(text: string, name: string): Promise<void> {
  const file = await archiveOf(scratch, { 'rootfs/etc/company/motd': text }, name);
  await service.client.call('updateCustomization', { catalog_id: service.catalog_id, customization_id, file });
}

/** Sends a request to the outside registry without the proxy, like the registry's owner. */
async function outside(path: string): Promise<Response> {
  return await fetch(`${docker.url}/v2/${path}`, {
    headers: {
      authorization: `Basic ${Buffer.from(CREDS).toString('base64')}`,
      accept: 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json',
    },
  });
}

async function tagsOf(url: string, creds: string): Promise<string[]> {
  const response = await fetch(`${url}/tags/list`, {
    headers: { authorization: `Basic ${Buffer.from(creds).toString('base64')}` },
  });
  return ((await response.json()) as { tags: string[] }).tags.filter((tag) => !tag.startsWith('sha256-')).sort();
}

const pullOutside = (tag: string, name: string, repository = REDIS) =>
  pullImage(`${docker.host}/${repository}:${tag}`, { layout: join(scratch, name), creds: CREDS });

/** Returns the digests of the uploads that ended through the proxy since `seen` was last cleared. */
function uploaded(): string[] {
  return proxy.seen
    .flatMap((line) => /^PUT \S*\/blobs\/uploads\/\S*digest=(sha256(?::|%3A)\w+)/.exec(line)?.[1] ?? [])
    .map(decodeURIComponent);
}

describe('an outside registry beside the hosted one', () => {
  test('gets a release of its own with the same content, tags and reports', { timeout: STORY_MS }, async () => {
    const { client } = service;
    const made = await client.call('createRegistry', {
      name: 'outside',
      description: 'Of another team',
      provider: 'OCI',
      url: `${proxy.url}/team`,
      access_key: LOGIN.username,
      access_secret: LOGIN.password,
    });
    registry_id = made.id;
    await request(await baseImage('Debian 12'), [await hostedRegistry(), registry_id]);
    const [one, other, ...more] = await releases();
    expect(more).toEqual([]);
    expect(one?.artifact.content_digest).toBe(other?.artifact.content_digest);
    expect(one?.artifact.repo_digest).toBe(other?.artifact.repo_digest);
    const version = one?.artifact.version ?? '';
    expect(version).toMatch(/^7\.0\.\d+-debian-12-r0$/);
    expect(other?.artifact.version).toBe(version);
    const upstream = version.replace(/-debian-12-r0$/, '');
    const lines = ['7', '7.0', upstream];
    const tags = [version, 'latest', ...lines, ...lines.map((line) => `${line}-debian-12`)].sort();
    expect(await tagsOf(`${docker.url}/v2/${REDIS}`, CREDS)).toEqual(tags);
    const hosted = `${service.url}/v2/main/containers/debian-12/redis`;
    const creds = `x:${service.apiToken}`;
    expect(await tagsOf(hosted, creds)).toEqual(tags);
    const subject = one?.artifact.repo_digest ?? '';
    const there = (await (await outside(`${REDIS}/manifests/${subject.replace(':', '-')}`)).json()) as Index;
    const asked = await fetch(`${hosted}/referrers/${subject}`, {
      headers: { authorization: `Basic ${Buffer.from(creds).toString('base64')}` },
    });
    const here = (await asked.json()) as Index;
    const digests = ({ manifests }: Index) => manifests.map(({ digest }) => digest).sort();
    expect(digests(there)).toEqual(digests(here));
    const sbom = there.manifests.find(({ artifactType }) => artifactType?.includes('spdx'));
    expect((await outside(`${REDIS}/manifests/${sbom?.digest}`)).status).toBe(200);
  });

  test('a customization uploads only its own layer', { timeout: STORY_MS }, async () => {
    const before = pullOutside('7.0', 'plain');
    const root = join(scratch, 'ca');
    const subject = [
      '-subj',
      '/CN=Acme Root',
      '-days',
      '30',
      '-nodes',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
    ];
    execFileSync('openssl', ['req', '-x509', ...subject, '-keyout', `${root}.key`, '-out', `${root}.pem`], {
      stdio: 'pipe',
    });
    const files = {
      'customization.yaml': 'environment:\n  COMPANY: acme\n',
      'rootfs/etc/company/motd': 'hello\n',
      'rootfs/usr/local/share/ca-certificates/acme.crt': readFileSync(`${root}.pem`, 'utf8'),
    };
    proxy.seen.length = 0;
    const { client, catalog_id } = service;
    const file = await archiveOf(scratch, files, 'company');
    customization_id = (await client.call('createCustomization', { catalog_id, name: 'company', file })).id;
    expect((await settled('CREATE')).status).toBe('PROCESSING_CREATE_SUCCEEDED');
    const sent = uploaded();
    const after = pullOutside('7.0', 'customized');
    const blobs = ({ manifest }: typeof after) => [manifest.config, ...manifest.layers].map(({ digest }) => digest);
    expect(after.manifest.layers.slice(0, -1)).toEqual(before.manifest.layers);
    expect(sent.filter((digest) => blobs(before).includes(digest as never))).toEqual([]);
    const fresh = [after.manifest.config, after.manifest.layers.at(-1)].map((one) => one?.digest ?? '').sort();
    expect(sent.filter((digest) => blobs(after).includes(digest as never)).sort()).toEqual(fresh);
    console.log(`a customization: ${proxy.seen.length} requests, ${sent.length} uploads, reports included`);
  });

  test('the pulled image runs as its own user, with the customization in place', { timeout: STORY_MS }, async () => {
    const from = `${service.url.slice('http://'.length)}/main/containers/debian-12/redis:7.0`;
    const image = pullImage(from, { layout: join(scratch, 'run'), creds: `x:${service.apiToken}` });
    expect(image.config.config?.User ?? '').toMatch(/^[1-9]/);
    const running = runImage(image, join(scratch, 'bundle'));
    try {
      await until('redis answers', async () => {
        try {
          return running.exec(['redis-cli', 'ping']).trim() === 'PONG';
        } catch {
          return false;
        }
      });
      expect(running.exec(['printenv', 'COMPANY'])).toBe('acme\n');
      expect(running.exec(['cat', '/etc/company/motd'])).toBe('hello\n');
      const own = new X509Certificate(readFileSync(join(scratch, 'ca.pem'))).raw.toString('base64');
      const bundle = running.exec(['cat', '/etc/ssl/certs/ca-certificates.crt']).replaceAll('\n', '');
      expect(bundle).toContain(own);
    } finally {
      await running.stop();
    }
  });

  test('wrong credentials are named as the cause, and right ones lead to the release', {
    timeout: STORY_MS,
  }, async () => {
    const { client, catalog_id } = service;
    const before = (await releases()).length;
    await client.call('updateRegistry', { registry_id, access_secret: 'guessed wrong 9' });
    await motd('second\n', 'second');
    // The update succeeds, because the release to the hosted registry succeeds.
    expect((await settled('UPDATE')).status).toBe('PROCESSING_UPDATE_SUCCEEDED');
    const [failed] = (await client.call('listPipelines', { catalog_id, page_size: 1 })).items;
    const phase = failed?.phases.find(({ status }) => status === 'FAILED');
    expect([phase?.type, phase?.failure?.cause]).toEqual(['DISTRIBUTION', 'DISTRIBUTION_ERROR']);
    expect(phase?.failure?.error_message).toMatch(/rejects the credentials \(401\).*Send new ones/);
    expect(JSON.stringify(failed)).not.toMatch(/guessed wrong|open sesame/);
    expect(phase?.failure?.error_message).toMatch(/The pipeline released to Hosted registry\.$/);
    expect(await releases()).toHaveLength(before + 1);
    await client.call('updateRegistry', { registry_id, access_secret: LOGIN.password });
    await motd('third\n', 'third');
    await until('both registries have it', async () => (await releases()).length === before + 3);
    expect((await settled('UPDATE')).status).toBe('PROCESSING_UPDATE_SUCCEEDED');
  });

  test('a registry that is away during a push is waited for, and gets one release', { timeout: STORY_MS }, async () => {
    const before = (await releases()).map(({ id }) => id);
    proxy.seen.length = 0;
    let cut = 0;
    // There are more failures than the six attempts of one request, so the queue must retry too.
    proxy.fault = () => (uploaded().length > 0 && cut++ < 8 ? { cutAnswerAfter: -1 } : undefined);
    await service.client.call('deleteCustomization', { catalog_id: service.catalog_id, customization_id });
    expect((await settled('DELETE')).status).toBe('PROCESSING_DELETE_SUCCEEDED');
    proxy.fault = () => undefined;
    expect(cut).toBeGreaterThan(8);
    const made = (await releases()).filter(({ id }) => !before.includes(id));
    expect(made).toHaveLength(2);
    expect(new Set(made.map(({ artifact }) => artifact.version)).size).toBe(1);
    expect(pullOutside('7.0', 'again').config.config?.Env).not.toContain('COMPANY=acme');
  });
});

describe('a base image in the outside registry', () => {
  let base_image_id: string;
  /** The repository of redis on the other base image, because each base image has its own repository. */
  const ON_BASE = 'team/containers/company-12/redis';

  /** Moves the tag to another image, which is the former image with one more label. */
  function moveBase(version: string): void {
    const layout = join(scratch, 'base');
    execFileSync('umoci', ['config', '--image', `${layout}:base`, '--config.label', `version=${version}`]);
    const to = ['--dest-tls-verify=false', '--dest-creds', CREDS, `docker://${docker.host}/team/company/base:12`];
    execFileSync('skopeo', ['copy', '--quiet', `oci:${layout}:base`, ...to]);
  }

  /**
   * Requests a check of the base image. Waits until the base image has this many pipelines. Returns them, the newest first.
   */
  async function pipelinesAfterLook(count: number) {
    const { client, catalog_id } = service;
    await client.call('checkBaseImage', { base_image_id });
    return await until(`there are ${count} pipelines on the base`, async () => {
      const { items } = await client.call('listPipelines', { catalog_id, base_image_id });
      return items.length === count && items;
    });
  }

  async function onBase() {
    return (await releases()).filter(({ base_image }) => base_image?.id === base_image_id);
  }

  const baseDigest = (tag: string, name: string) =>
    pullOutside(tag, name, ON_BASE).config.config?.Labels?.['org.opencontainers.image.base.digest'];

  test('is followed: its applications are built again when its tag moves', { timeout: STORY_MS }, async () => {
    const { client, catalog_id } = service;
    const { items } = await client.call('listApplications', { catalog_id });
    const gone = { kind: 'DELETION' as const, name: 'remove', application_ids: items.map(({ id }) => id) };
    await client.call('createApplicationRequest', { catalog_id, ...gone });
    const shared = (await client.call('listBaseImages', {})).items.find(({ name }) => name === 'Debian 12');
    const from = shared?.container_image ?? '';
    pullImage(from, { layout: join(scratch, 'base'), creds: `x:${service.apiToken}`, tag: 'base' });
    moveBase('1');
    const systems = await client.call('listOperatingSystems', {});
    const made = await client.call('createBaseImage', {
      name: 'Company 12',
      description: 'Of another team',
      registry_id,
      container_image: 'company/base:12',
      operating_system_id: systems.items.find(({ name }) => name === 'Debian 12')?.id ?? '',
    });
    base_image_id = made.id;
    await request(base_image_id, [registry_id]);
    const [first] = await onBase();
    const before = baseDigest(first?.artifact.version ?? '', 'on-1');
    expect(before).toMatch(/^sha256:/);
    moveBase('2');
    const [maintenance] = await pipelinesAfterLook(2);
    expect(maintenance?.triggers.map(({ type }) => type)).toEqual(['MAINTENANCE']);
    const [second] = await until('the next revision is released', async () => {
      const found = await onBase();
      return found.length === 2 && found;
    });
    expect(Number(second?.revision)).toBe(Number(first?.revision) + 1);
    expect(baseDigest(second?.artifact.version ?? '', 'on-2')).not.toBe(before);
  });

  test('that moves while a release waits for the registry: the next pipeline replaces that release', {
    timeout: STORY_MS,
  }, async () => {
    const { client, catalog_id } = service;
    proxy.fault = ({ url = '' }) => (url.includes('/redis/') ? { status: 503 } : undefined);
    moveBase('3');
    const [older] = await pipelinesAfterLook(3);
    await until('it waits for the registry', async () => {
      const { items } = await client.call('listPipelines', { catalog_id, base_image_id, page_size: 1 });
      return items[0]?.distributions?.some(({ status }) => status === 'WAITING');
    });
    moveBase('4');
    await pipelinesAfterLook(4);
    expect(await onBase()).toHaveLength(2);
    await until('the next pipeline replaced it', async () => {
      const found = await client.call('getPipeline', { catalog_id, pipeline_id: older?.id ?? '' });
      return found.status === 'CANCELLED';
    });
    proxy.fault = () => undefined;
    const made = await until('the next one is released', async () => {
      const found = await onBase();
      return found.length === 3 && found;
    });
    const digests = made.map(({ artifact }, at) => baseDigest(artifact.version, `moved-${at}`));
    expect(new Set(digests).size).toBe(3);
    const [newest] = made;
    expect(pullOutside(newest?.artifact.version ?? '', 'newest', ON_BASE).config.config?.Labels).toMatchObject({
      version: '4',
    });
  });
});
