// The RabbitMQ image in containers: variables of compose files, files of settings and definitions, and what the entry point rejects.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Container, type ContainerOptions, expectReady, missingForContainers } from '../container.ts';
import { SLOW_MS } from '../redis-builds.ts';
import { useImage } from './image-containers.ts';

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
  const image = useImage('rabbitmq', {
    stopSignal: 'SIGTERM',
    // Container engines write this file.
    prepare: (bundle) => writeFile(join(bundle.directory, 'bundle/rootfs/etc/hosts'), '127.0.0.1 localhost\n'),
  });
  const { folder, verify } = image;
  const start = ({ environment, ...options }: ContainerOptions) =>
    image.start({ ...options, environment: { ...PORTS, ...environment } });

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
      expect((await verify()).tests.filter(({ passed }) => !passed)).toEqual([]);
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
