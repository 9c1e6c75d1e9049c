// Finished images are started in the sandbox: tests that pass, tests that fail, and the report.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sandboxMode } from '../../../test/fixtures/build.ts';
import { openRedisBuilds, type RedisBuilds, SLOW_MS } from '../../../test/redis-builds.ts';
import type { ProductTest } from '../../plan/image-plan.ts';
import { retryPauseMs, verify } from './verify-image.ts';

test('retryPauseMs doubles with each failed attempt, up to a limit', () => {
  expect([1, 2, 3, 4, 5, 2000].map(retryPauseMs)).toEqual([20, 40, 80, 160, 320, 500]);
});

describe.skipIf(sandboxMode.mode === 'files-only')('verification', () => {
  let builds: RedisBuilds;

  beforeAll(async () => {
    builds = await openRedisBuilds();
  }, SLOW_MS);
  afterAll(async () => await builds[Symbol.asyncDispose]());

  const shown = (report: { tests: { name: string; passed: boolean }[] }) =>
    Object.fromEntries(report.tests.map(({ name, passed }) => [name, passed]));
  const tests: ProductTest[] = [
    { name: 'ping', kind: 'exec', command: ['redis-cli', 'ping'], stdout: 'PONG', timeout_seconds: 20 },
    { name: 'own user', kind: 'exec', command: ['id'], stdout: 'uid=1001(app) gid=0(root)', timeout_seconds: 20 },
    { name: 'tcp', kind: 'tcp', port: 6379, send: 'PING\r\n', receive: '+PONG', timeout_seconds: 20 },
    {
      name: 'variables',
      kind: 'exec',
      command: ['sh', '-c', 'echo $GREETING $EXTRA'],
      stdout: "it's more",
      timeout_seconds: 20,
    },
    { name: 'exit code', kind: 'exec', command: ['sh', '-c', 'exit 3'], exit_code: 3, timeout_seconds: 20 },
  ];
  const failing: ProductTest[] = [
    { name: 'no network', kind: 'exec', command: ['sh', '-c', 'cat /proc/net/route | grep eth'], timeout_seconds: 1 },
    { name: 'closed port', kind: 'tcp', port: 1, timeout_seconds: 1 },
    { name: 'not http', kind: 'http', port: 6379, path: '/', status: 200, timeout_seconds: 1 },
    { name: 'hangs', kind: 'exec', command: ['sleep', '432109'], timeout_seconds: 1 },
  ];

  test(
    'reports tests that pass and tests that fail, with their output',
    async () => {
      const plan = await builds.redisPlan({ tests: [...tests, ...failing], test_environment: { EXTRA: 'more' } });
      const { artifact } = await builds.run(plan);
      const report = await verify(plan, artifact, { workspace: builds.workspace });
      expect(shown(report)).toEqual({
        ...Object.fromEntries(tests.map(({ name }) => [name, true])),
        ...Object.fromEntries(failing.map(({ name }) => [name, false])),
      });
      expect(report.passed).toBe(false);
      expect(report.tests[0]?.output).toContain('PONG');
      expect(report.tests.find(({ name }) => name === 'closed port')?.output).toContain('refuses connections');
      expect(report.tests.at(-1)?.output).toContain('Ready to accept connections');
      expect(shown(await verify({ ...plan, tests }, artifact, { workspace: builds.workspace }))).not.toContain(false);
    },
    SLOW_MS,
  );

  test('reports a service that ends, with its exit code and last output', async () => {
    const plan = await builds.redisPlan({ tests: [tests[0] as ProductTest] });
    const image = { ...plan.image, entrypoint: ['sh', '-c', 'echo cannot start; exit 7'] };
    const { artifact } = await builds.run({ ...plan, packages: [], image });
    const report = await verify(plan, artifact, { workspace: builds.workspace });
    expect(report.passed).toBe(false);
    expect(report.tests[0]?.output).toMatch(/ended with code 7.*cannot start/s);
  });

  test('retries a test as soon as the service opens its port, and rarely before', async () => {
    const connects = 'exec 3<>/dev/tcp/127.0.0.1/8080';
    const plan = await builds.redisPlan({
      packages: [],
      tests: [
        {
          name: 'ready',
          kind: 'exec',
          command: ['bash', '-c', `echo x >> /tmp/tries; ${connects}`],
          timeout_seconds: 30,
        },
        // Waiting for the port saves attempts. Without it, there would be twelve attempts in this time.
        {
          name: 'few tries',
          kind: 'exec',
          command: ['sh', '-c', 'test $(wc -l < /tmp/tries) -le 6'],
          timeout_seconds: 1,
        },
      ],
    });
    const late =
      'use IO::Socket::INET; select undef, undef, undef, 1.5; my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 8080, Listen => 5) or die; sleep 60';
    const image = {
      ...plan.image,
      entrypoint: ['perl', '-e', late],
      ports: [{ port: 8080, protocol: 'tcp' as const }],
    };
    const { artifact } = await builds.run({ ...plan, image });
    const report = await verify({ ...plan, image }, artifact, { workspace: builds.workspace });
    expect(shown(report)).toEqual({ ready: true, 'few tries': true });
  });

  test('reads pages over HTTP', async () => {
    const plan = await builds.redisPlan({
      packages: [],
      tests: [
        { name: 'page', kind: 'http', port: 8080, path: '/x', status: 200, body: 'hello', timeout_seconds: 20 },
        { name: 'missing', kind: 'http', port: 8080, path: '/x', status: 404, timeout_seconds: 5 },
      ],
    });
    const server =
      'use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die; while (my $c = $s->accept) { while (<$c>) { last if /^\\r\\n/ } print $c "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n5\\r\\nhello\\r\\n0\\r\\n\\r\\n"; close $c }';
    const { artifact } = await builds.run({ ...plan, image: { ...plan.image, entrypoint: ['perl', '-e', server] } });
    const report = await verify(plan, artifact, { workspace: builds.workspace });
    expect(shown(report)).toEqual({ page: true, missing: false });
    expect(report.tests[1]?.output).toContain('HTTP status 200');
  });
});
