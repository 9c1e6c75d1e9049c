// Values of the Memcached chart that exclude each other or affect several objects, and settings that its entry point rejects.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AssembledChart, assembleChart, chartFolder } from './assembled-chart.ts';
import { HELMS, renderValues } from './helm.ts';
import { findObject, findPod, type KubernetesObject } from './object-rules.ts';

const execute = promisify(execFile);
const helm = HELMS[0]?.path ?? '';
const ENTRYPOINT = join(chartFolder('memcached'), '../files/memcached-entrypoint');
const EXPORTER = join(chartFolder('memcached'), '../files/memcached-metrics');
const EXIT_USAGE = 64;

describe.skipIf(helm === '')('the chart memcached (needs helm)', () => {
  let chart: AssembledChart;
  beforeAll(async () => {
    chart = await assembleChart('memcached');
  });
  afterAll(() => chart?.[Symbol.asyncDispose]());

  const render = (values: object) => renderValues(helm, chart.path, values);
  const find = (objects: KubernetesObject[], kind: string) => findObject(objects, kind, 'shop-memcached');

  test.each([
    [{ architecture: 'cluster' }, 'architecture'],
    [{ replicaCount: 2 }, 'several servers require architecture: high-availability'],
    [{ autoscaling: { enabled: true } }, 'autoscaling.enabled requires architecture: high-availability'],
    [{ auth: { enabled: true } }, 'auth.enabled requires auth.username'],
  ])('rejects %j', async (values, message) => {
    await expect(render(values)).rejects.toThrow(message);
  });

  test('writes a password of digits with all its digits', async () => {
    const objects = await render({ auth: { enabled: true, username: 'shop', password: 12345678 } });
    const password = find(objects, 'Secret')?.data?.['memcached-password'] ?? '';
    expect(Buffer.from(password, 'base64').toString()).toBe('12345678');
  });

  test('keeps the memory in a volume only with high availability', async () => {
    const persistence = { enabled: true };
    expect(find(await render({ persistence }), 'Deployment')?.spec).not.toHaveProperty('volumeClaimTemplates');
    const workload = find(await render({ persistence, architecture: 'high-availability' }), 'StatefulSet');
    expect(workload?.spec).toHaveProperty('volumeClaimTemplates');
    const [container] = findPod(workload ?? expect.fail('no workload'))?.containers ?? [];
    expect(container).toMatchObject({ args: ['--memory-file=/cache-state/memory_file'] });
  });

  test('has an exporter of its own image, or of an image of values', async () => {
    const exporterOf = async (metrics: object) =>
      findPod(find(await render({ metrics }), 'Deployment') ?? expect.fail('no workload'))?.containers[1];
    const own = await exporterOf({ enabled: true });
    expect(own).toMatchObject({ image: expect.stringContaining('debian-13/memcached:') });
    expect(own).toMatchObject({ command: ['/usr/local/bin/memcached-metrics'] });
    const foreign = await exporterOf({ enabled: true, image: { repository: 'mirror/exporter', tag: '1' } });
    expect(foreign).toMatchObject({ image: 'mirror/exporter:1' });
    expect(foreign).not.toHaveProperty('command');
  });

  test('keeps hooks of values in place of its own', async () => {
    const preStop = { exec: { command: ['true'] } };
    const values = { architecture: 'high-availability', persistence: { enabled: true }, lifecycleHooks: { preStop } };
    const workload = find(await render(values), 'StatefulSet');
    expect(findPod(workload ?? expect.fail('no workload'))?.containers[0]).toMatchObject({ lifecycle: { preStop } });
  });
});

test.each<[string[], NodeJS.ProcessEnv, string]>([
  [['--web.listen-adress=:1'], {}, '--web.listen-adress is not known'],
  [['--web.listen-address=1'], {}, '--web.listen-address must be HOST:PORT'],
  [['--memcached.address'], {}, '--memcached.address requires a value'],
  [['stats'], {}, 'stats is not an argument'],
  [[], { MEMCACHED_AUTH_PROTOCOL: 'plain' }, 'MEMCACHED_AUTH_PROTOCOL is not known; expected sasl or text'],
  [[], { MEMCACHED_PASSWORD_FILE: '/nothing' }, 'MEMCACHED_PASSWORD_FILE: /nothing: No such file or directory'],
])('the exporter rejects %j and %j with exit code 64', async (args, env, message) => {
  const run = execute('/usr/bin/perl', [EXPORTER, ...args], { env: { PATH: process.env['PATH'], ...env } });
  await expect(run).rejects.toMatchObject({ code: EXIT_USAGE, stderr: expect.stringContaining(message) });
});

test.each([
  [{ MEMCACHED_USERNAME: 'shop' }, 'MEMCACHED_USERNAME requires MEMCACHED_PASSWORD'],
  [{ MEMCACHED_USERNAME: 'shop', MEMCACHED_PASSWORD: 'a\nb' }, 'must be a single line'],
  [
    { MEMCACHED_USERNAME: 'shop', MEMCACHED_PASSWORD: 'p', MEMCACHED_AUTH_PROTOCOL: 'plain' },
    'MEMCACHED_AUTH_PROTOCOL is not known; expected sasl or text',
  ],
  [
    { MEMCACHED_USERNAME: 'shop', MEMCACHED_PASSWORD: 'a b', MEMCACHED_AUTH_PROTOCOL: 'text' },
    'MEMCACHED_AUTH_PROTOCOL=text requires a user name and a password without spaces',
  ],
])('the entry point rejects %j with exit code 64 and names the variable', async (env, message) => {
  const run = execute('/bin/sh', [ENTRYPOINT], { env: { PATH: process.env['PATH'], ...env } });
  await expect(run).rejects.toMatchObject({ code: EXIT_USAGE, stderr: expect.stringContaining(message) });
});
