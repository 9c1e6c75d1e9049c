// Runs the containers of the rendered Redis chart (command, environment, user, read-only root) in the network of this
// machine. Three nodes with sentinels replicate, fail over, and accept the old primary again. Also runs the exporter.
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Container, startContainer } from '../container.ts';
import { SLOW_MS } from '../redis-builds.ts';
import type { KubernetesObject } from './object-rules.ts';
import { missingForCharts, openProductContainers, type ProductContainers, readMetric } from './product-containers.ts';
import { dataOf, environmentOf, getContainer } from './rendered-pod.ts';

const execute = promisify(execFile);
const reason = missingForCharts();
const PASSWORD = `a "quoted" \\n \\ $HOME 'password'`;
const DOWN_AFTER_MS = 2000;
const METRICS_PORT = 17011;
/** The time limit of a fail-over. It takes some seconds, and several times as long on a busy machine. */
const FAILOVER_MS = 60_000;

describe.skipIf(reason !== '')(`the containers of Redis ${reason}`, () => {
  let containers: ProductContainers;
  let directory: string;
  let objects: KubernetesObject[];
  const running = new Map<string, Container>();
  const redisPort = (node: number) => 17000 + node;
  const sentinelPort = (node: number) => 18000 + node;

  beforeAll(async () => {
    containers = await openProductContainers('redis', ['redis-exporter']);
    ({ directory } = containers);
    // Writes the hosts file, which in a cluster the kubelet writes for each pod.
    for (const product of ['redis', 'redis-exporter']) {
      await writeFile(join(rootOf(product), 'etc/hosts'), '127.0.0.1 localhost\n');
    }
    objects = await containers.render({
      sentinel: { enabled: true, downAfterMilliseconds: DOWN_AFTER_MS },
      auth: { existingSecret: 'x' },
    });
  }, SLOW_MS);
  afterEach(async () => {
    for (const name of running.keys()) await kill(name);
    await containers?.stop();
  });
  afterAll(() => containers?.[Symbol.asyncDispose]());

  const rootOf = (product: string) => join(containers.bundleOf(product).directory, 'bundle/rootfs');

  /** Variables that replace rendered variables, because all nodes have the address of this machine. */
  function replacedVariables(node: number): Record<string, string> {
    return {
      REDIS_PASSWORD: PASSWORD,
      POD_NAME: `shop-redis-node-${node}`,
      NODE_HOST: 'localhost',
      REDIS_PORT: String(redisPort(node)),
      NODE_PORT: String(redisPort(node)),
      SENTINEL_PORT: String(sentinelPort(node)),
      SENTINEL_SELF: `localhost:${sentinelPort(node)}`,
      SENTINEL_PEERS: [0, 1, 2].map((peer) => `localhost:${sentinelPort(peer)}`).join(' '),
    };
  }

  /** Writes a ConfigMap as files of a folder, which is mounted. */
  async function mountFiles(name: string, data: Record<string, string>): Promise<string> {
    const folder = join(directory, name);
    await mkdir(folder, { recursive: true });
    for (const [file, content] of Object.entries(data)) await writeFile(join(folder, file), content);
    return folder;
  }

  async function start(name: 'redis' | 'sentinel', node: number): Promise<void> {
    const { container } = getContainer(objects, 'StatefulSet/shop-redis-node', name);
    const configuration = dataOf(objects, 'ConfigMap', 'shop-redis-configuration');
    const scripts = await mountFiles(`scripts-${name}-${node}`, dataOf(objects, 'ConfigMap', 'shop-redis-scripts'));
    const settings = {
      '10-redis.conf': configuration['redis.conf'] ?? '',
      '20-replica.conf': configuration['replica.conf'] ?? '',
    };
    const conf = await mountFiles(`conf.d-${name}-${node}`, settings);
    const volume = join(directory, `${name}-${node}`);
    await mkdir(volume, { recursive: true });
    const started = await startContainer(containers.bundleOf('redis'), {
      environment: { ...environmentOf(objects, container), ...replacedVariables(node) },
      mounts: { [name === 'redis' ? '/data' : '/var/lib/sentinel']: volume },
      readOnlyMounts: { '/usr/local/etc/redis/conf.d': conf, '/opt/redis-scripts': scripts },
      uid: container.securityContext.runAsUser,
      gid: container.securityContext.runAsGroup,
      ...(container.command && { entrypoint: container.command, command: container.args ?? [] }),
    });
    running.set(`${name}-${node}`, started);
  }

  /** Stops a container at once, like a node that is lost. */
  const kill = async (name: string) => await running.get(name)?.stop('SIGKILL');

  async function ask(port: number, ...command: string[]): Promise<string> {
    const cli = ['chroot', rootOf('redis'), 'redis-cli', '--raw', '-h', '127.0.0.1', '-p', String(port)];
    const env = { ...process.env, REDISCLI_AUTH: PASSWORD };
    return (await execute('env', [...cli, ...command], { env }).catch(({ stdout }) => ({ stdout }))).stdout.trim();
  }

  const primaryOf = async (node: number) =>
    Number((await ask(sentinelPort(node), 'SENTINEL', 'get-master-addr-by-name', 'mymaster')).split('\n')[1]);
  const eventually = { timeout: FAILOVER_MS, interval: 200 };

  test(
    'replicate with sentinels, fail over, and accept the old primary as a replica that has each acknowledged write',
    async () => {
      for (const node of [0, 1, 2]) await Promise.all([start('redis', node), start('sentinel', node)]);
      await expect.poll(() => ask(redisPort(0), 'INFO', 'replication'), eventually).toContain('connected_slaves:2');
      for (const node of [0, 1, 2]) {
        const knows = async () => await ask(sentinelPort(node), 'SENTINEL', 'ckquorum', 'mymaster');
        await expect.poll(knows, eventually).toContain('OK 3 usable Sentinels');
        // A sentinel asks the primary for its replicas every 10 seconds. It can fail over only to replicas that it knows.
        const replicas = async () => await ask(sentinelPort(node), 'SENTINEL', 'master', 'mymaster');
        await expect.poll(replicas, eventually).toContain('num-slaves\n2\n');
      }
      expect(await ask(redisPort(0), 'SET', 'before', 'kept')).toBe('OK');
      await expect.poll(() => ask(redisPort(1), 'GET', 'before'), eventually).toBe('kept');
      await expect.poll(() => ask(redisPort(2), 'GET', 'before'), eventually).toBe('kept');

      await kill('redis-0');
      await kill('sentinel-0');
      await expect.poll(() => primaryOf(1), eventually).not.toBe(redisPort(0));
      const primary = await primaryOf(1);
      await expect.poll(() => ask(primary, 'SET', 'after', 'kept'), eventually).toBe('OK');

      await Promise.all([start('redis', 0), start('sentinel', 0)]);
      await expect.poll(() => ask(redisPort(0), 'GET', 'after'), eventually).toBe('kept');
      expect(await ask(redisPort(0), 'GET', 'before')).toBe('kept');
      expect(await ask(redisPort(0), 'ROLE')).toContain('slave');
      await expect.poll(() => primaryOf(0), eventually).toBe(primary);
      // The restarted sentinel must have its old id. With a new id, it would count as a fourth sentinel and raise the
      // majority.
      const known = await ask(sentinelPort(1), 'SENTINEL', 'sentinels', 'mymaster');
      expect(known.match(/^runid$/gm)).toHaveLength(2);
    },
    SLOW_MS,
  );

  test(
    'have an exporter, which reads Redis with a password of a file and over TLS with its certificate',
    async () => {
      const rendered = await containers.render({
        architecture: 'standalone',
        auth: { password: PASSWORD, usePasswordFiles: true },
        tls: { enabled: true, autoGenerated: true },
        master: { containerPorts: { redis: 17010 } },
        metrics: { enabled: true, containerPorts: { http: METRICS_PORT } },
      });
      const pod = { objects: rendered, workload: 'StatefulSet/shop-redis-master' };
      // Both containers have the same volumes.
      await containers.start('pod', pod);
      await containers.start('pod', { ...pod, container: 'metrics' });
      await expect.poll(() => readMetric(METRICS_PORT, 'redis_up'), eventually).toBe('1');
      expect(await readMetric(METRICS_PORT, 'redis_connected_slaves')).toBe('0');
    },
    SLOW_MS,
  );
});
