// Probes of real registries: which capabilities a probe finds, which blobs it leaves, and whether pushes work with its
// result.
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type DockerRegistry, startDockerRegistry } from '../../../test/docker-registry.ts';
import { type FaultyProxy, startFaultyProxy } from '../../../test/faulty-proxy.ts';
import { openTestRegistry, type TestRegistry } from '../../../test/registry.ts';
import type { RegistryCapabilities } from '../../contract/registry-capabilities.ts';
import { createEgress, type Egress } from '../../egress/egress.ts';
import { describeBytes, once } from '../manifest.ts';
import { probeRegistry } from './registry-probe.ts';
import { openRegistry } from './remote-repository.ts';

const TYPE = 'application/octet-stream';

let server: DockerRegistry;
let proxy: FaultyProxy;
let hosted: TestRegistry;
let egress: Egress;

beforeAll(async () => {
  server = await startDockerRegistry();
  proxy = await startFaultyProxy(server.url);
  hosted = await openTestRegistry();
  egress = createEgress({ allow: ['127.0.0.1'] });
});
afterAll(async () => {
  egress.close();
  await hosted.close();
  await proxy.stop();
  await server.stop();
});
afterEach(() => {
  proxy.fault = () => undefined;
  proxy.seen.length = 0;
});

const probe = (url = proxy.url) => probeRegistry({ url, egress, repository: 'team/larder-check' });
const ALL = { chunked: true, delete: true, mount: true, referrers: true, single_post: true };

describe('a probe', () => {
  it('finds the capabilities of docker-registry 2, and leaves no blob', async () => {
    expect(await probe()).toEqual({ ...ALL, referrers: false, single_post: false });
    const deleted = proxy.seen.filter((line) => /^DELETE .*\/blobs\/sha256:/.test(line));
    expect(deleted.length).toBe(2);
    for (const line of deleted) {
      const [, path = ''] = line.split(' ');
      expect((await fetch(server.url + path, { method: 'HEAD' })).status).toBe(404);
    }
  });

  it('finds all capabilities in the hosted registry', async () => {
    const credentials = { username: 'x', password: hosted.acme.tokens.EDITOR };
    const found = await probeRegistry({ url: hosted.url, credentials, egress, repository: 'acme/larder-check' });
    expect(found).toEqual(ALL);
    const { rows } = await hosted.database.pool.query('select * from repository_blobs');
    expect(rows).toEqual([]);
  });

  it('reports rejected capabilities as missing, and omits those that failed for another cause', async () => {
    proxy.fault = ({ method }) => (method === 'PATCH' || method === 'DELETE' ? { status: 405 } : undefined);
    const found = { chunked: false, delete: false, mount: true, referrers: false, single_post: false };
    expect(await probe()).toEqual(found);
    proxy.fault = ({ url }) => (url?.includes('mount=') ? { status: 500 } : undefined);
    expect(await probe()).toEqual({ chunked: true, delete: true, referrers: false, single_post: false });
    proxy.fault = ({ url }) => (url?.includes('mount=') ? { status: 405 } : undefined);
    expect(await probe()).toMatchObject({ mount: false });
    proxy.fault = () => ({ status: 503 });
    expect(await probe()).toEqual({});
  });
});

describe('a push', () => {
  async function push(size: number, capabilities: RegistryCapabilities | undefined): Promise<string[]> {
    const doubted: string[] = [];
    const onContradiction = (what: string) => doubted.push(what);
    const registry = openRegistry({
      ...{ url: proxy.url, egress, retry: { tries: 2, firstWaitMs: 1 }, onContradiction },
      ...(capabilities && { capabilities }),
    });
    const bytes = randomBytes(size);
    const blob = describeBytes(TYPE, bytes);
    const target = registry.repository('team/app');
    if ((await target.mount(blob, 'team/elsewhere')) === 'rejected') await target.push(blob, async () => once(bytes));
    expect(await target.exists(blob)).toBe(true);
    return doubted;
  }
  const requests = () =>
    proxy.seen.map((line) => line.replace(/\/v2\/team\/app\/blobs\/uploads\/[^?]*/, '').replace(/=.*/, ''));

  it('does not use a capability that is known to be missing', async () => {
    await push(100, undefined);
    expect(requests().slice(0, 2)).toEqual(['POST ?mount', 'PUT ?_state']);
    proxy.seen.length = 0;
    expect(await push(100, { mount: false, single_post: false, chunked: false })).toEqual([]);
    expect(requests().slice(0, 2)).toEqual(['POST ', 'PUT ?_state']);
    proxy.seen.length = 0;
    await push(5 * 1024 * 1024, { mount: false, chunked: false });
    expect(requests().slice(0, 2)).toEqual(['POST ', 'PUT ?_state']);
  });

  it('succeeds without a capability that does not exist any more, and reports the contradiction once', async () => {
    proxy.fault = ({ method }) => (method === 'PATCH' ? { status: 405 } : undefined);
    expect(await push(5 * 1024 * 1024, { ...ALL, mount: false })).toEqual(['chunked']);
    proxy.fault = () => undefined;
    expect(await push(100, { single_post: true, mount: false })).toEqual(['single_post']);
    expect(await push(100, { mount: true })).toEqual(['mount']);
    expect(await push(100, {})).toEqual([]);
  });
});
