// The RabbitMQ image in containers: variables of compose files, files of settings and definitions, and what the entry point rejects.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadRecipes } from '../../src/recipes/recipe.ts';
import {
  type Container,
  type ContainerOptions,
  expectReady,
  missingForContainers,
  startContainer,
} from '../container.ts';
import { openProductBundle, PRODUCTS, type ProductBundle } from '../product-bundle.ts';
import { SLOW_MS } from '../redis-builds.ts';

const reason = missingForContainers();
const PASSWORD = `a "quoted" \\n \\ $HOME 'password'`;
const MEMORY_BYTES = 2 ** 30;
const OTHER_UID = 1_000_720_000;
const [EXIT_USAGE, EXIT_UNREADABLE, EXIT_READ_ONLY] = [64, 66, 73];
/** Ports of this machine that no other test uses. */
const PORTS = {
  ERL_EPMD_PORT: '17469',
  RABBITMQ_NODE_PORT: '17472',
  RABBITMQ_DIST_PORT: '17473',
  RABBITMQ_MANAGER_PORT_NUMBER: '17474',
  RABBITMQ_PLUGINS: 'rabbitmq_management;rabbitmq_shovel',
};
const HEALTH = ['/usr/local/bin/rabbitmq-health'];

describe.skipIf(reason !== '')(`the RabbitMQ image ${reason}`, () => {
  let bundle: ProductBundle;
  let directory: string;
  const running: Container[] = [];

  beforeAll(async () => {
    const recipe = (await loadRecipes(PRODUCTS)).find(({ key }) => key === 'rabbitmq');
    if (recipe === undefined) throw new Error('products/rabbitmq is missing');
    directory = await mkdtemp(join(tmpdir(), 'larder-rabbitmq-'));
    bundle = await openProductBundle(recipe);
    // Container engines write this file.
    await writeFile(join(bundle.directory, 'bundle/rootfs/etc/hosts'), '127.0.0.1 localhost\n');
  }, SLOW_MS);
  afterEach(async () => {
    for (const container of running.splice(0)) await container.stop('SIGTERM');
  });
  afterAll(async () => {
    await bundle?.[Symbol.asyncDispose]();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  async function folder(files: Record<string, string> = {}): Promise<string> {
    const path = await mkdtemp(join(directory, 'folder-'));
    for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
    return path;
  }

  async function start({ environment, ...options }: ContainerOptions): Promise<Container> {
    const container = await startContainer(bundle, { ...options, environment: { ...PORTS, ...environment } });
    running.push(container);
    return container;
  }

  const ctl = async (container: Container, ...command: string[]) =>
    (await container.exec(['rabbitmqctl', '--silent', ...command])).output;
  const logIn = async (container: Container, user: string, password: string) =>
    (await container.exec(['rabbitmqctl', 'authenticate_user', user, password])).code;

  test(
    'reads variables, their files, settings and definitions, has no user guest, and keeps its data under another user',
    async () => {
      const secrets = await folder({ password: PASSWORD });
      const conf = await folder({ '10-limit.conf': 'channel_max = 100', '20-limit.conf': 'channel_max = 200' });
      const queue = { name: 'orders', vhost: 'shop "1"', durable: true, auto_delete: false, arguments: {} };
      const definitions = await folder({ 'queues.json': JSON.stringify({ queues: [queue] }) });
      const data = await folder();
      const environment = {
        RABBITMQ_DEFAULT_USER: 'us er',
        RABBITMQ_DEFAULT_PASS_FILE: '/run/secrets/password',
        RABBITMQ_DEFAULT_VHOST: 'shop "1"',
      };
      const mounts = { '/data': data };
      const limits = await folder({ 'memory.max': `${MEMORY_BYTES}\n` });
      const readOnlyMounts = { '/etc/rabbitmq/conf.d': conf, '/run/secrets': secrets, '/sys/fs/cgroup': limits };
      const first = await start({
        environment,
        mounts,
        readOnlyMounts: { ...readOnlyMounts, '/etc/rabbitmq/definitions.d': definitions },
      });
      await expectReady(first, HEALTH);
      expect(await ctl(first, 'list_users')).toContain('us er\t');
      expect(await ctl(first, 'list_users')).not.toContain('guest');
      expect(await logIn(first, 'us er', PASSWORD)).toBe(0);
      expect(await logIn(first, 'us er', 'wrong')).not.toBe(0);
      expect(await ctl(first, 'list_queues', '--vhost', 'shop "1"', 'name')).toContain('orders');
      expect(await ctl(first, 'eval', 'application:get_env(rabbit, channel_max).')).toBe('{ok,200}');
      expect(await ctl(first, 'eval', 'rabbit_plugins:active().')).toContain('rabbitmq_shovel');
      expect(await ctl(first, 'eval', 'vm_memory_monitor:get_total_memory().')).toBe(String(MEMORY_BYTES));
      await first.stop('SIGTERM');
      expect(await first.ended).toBe(0);

      // Without definitions and password: the data has the user.
      const second = await start({ environment: { RABBITMQ_PLUGINS: '' }, mounts, uid: OTHER_UID, gid: 0 });
      await expectReady(second, HEALTH);
      expect(await logIn(second, 'us er', PASSWORD)).toBe(0);
      expect(await ctl(second, 'eval', 'rabbit_plugins:active().')).toBe('[]');
      expect(await ctl(second, 'list_users')).not.toContain('guest');
    },
    SLOW_MS,
  );

  test(
    'passes the tests of its recipe',
    async () => {
      expect((await bundle.verify()).tests.filter(({ passed }) => !passed)).toEqual([]);
    },
    SLOW_MS,
  );

  test.each([
    [{}, 'set RABBITMQ_PASSWORD or RABBITMQ_PASSWORD_FILE', EXIT_USAGE],
    [
      { RABBITMQ_PASSWORD_FILE: '/missing' },
      'RABBITMQ_PASSWORD_FILE names a file that cannot be read',
      EXIT_UNREADABLE,
    ],
    [{ RABBITMQ_USERNAME: 'a\nb' }, 'RABBITMQ_USERNAME must be a single line', EXIT_USAGE],
    [{ RABBITMQ_NODE_NAME: 'rabbit' }, 'RABBITMQ_NODE_NAME is not a name and a host', EXIT_USAGE],
    [{ RABBITMQ_NODE_PORT: 'amqp' }, 'RABBITMQ_NODE_PORT_NUMBER is not a number', EXIT_USAGE],
    [
      { RABBITMQ_PASSWORD: 'a', RABBITMQ_PLUGINS: 'none' },
      'RABBITMQ_PLUGINS names none, which is not a plugin',
      EXIT_USAGE,
    ],
  ])('rejects %j and says why', async (environment, message, code) => {
    const container = await start({ environment, mounts: { '/data': await folder() } });
    expect(await container.ended).toBe(code);
    expect(container.output()).toContain(message);
  });

  test('rejects a volume that it cannot write', async () => {
    const container = await start({
      environment: { RABBITMQ_PASSWORD: 'a' },
      readOnlyMounts: { '/data': await folder() },
    });
    expect(await container.ended).toBe(EXIT_READ_ONLY);
    expect(container.output()).toContain('/data/mnesia cannot be written');
  });
});
