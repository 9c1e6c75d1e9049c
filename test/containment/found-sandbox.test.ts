// A second series of attacks on sandboxes: files left for the capture, hostile answers of services to their tests, counters
// that all sandboxes of a machine share, and layers that fill the disk.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeLayer } from '../../src/oci/layer.ts';
import { captureLayer } from '../../src/packaging/image/capture.ts';
import { attemptTest } from '../../src/packaging/image/product-test.ts';
import { prepareRoots } from '../../src/packaging/image/rootfs.ts';
import type { ProductTest } from '../../src/plan/image-plan.ts';
import { endOrphans } from '../../src/sandbox/orphans.ts';
import { openSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import type { SandboxCommand } from '../../src/sandbox/sandbox-command.ts';
import type { RunningCommand } from '../../src/sandbox/sandbox-run.ts';
import { readListing } from '../../src/tar/listing.ts';
import { entry } from '../fixtures/tar.ts';
import { attempt, type Ground, openGround, systemCall, USER, ways } from './attempts.ts';

const MIB = 1024 ** 2;
const PATH = { PATH: '/usr/bin' };

/** Starts a perl program that prints `done` when it has its resources. The program keeps them until it is killed. */
async function hold(
  sandbox: Sandbox,
  program: string,
  user?: SandboxCommand['user'],
): Promise<RunningCommand & { printed(): string }> {
  let printed = '';
  const running = sandbox.start(
    { command: ['perl', '-e', `$| = 1; ${program}`], environment: PATH, ...(user && { user }) },
    { merged: true, onOutput: (chunk) => (printed += chunk.toString('latin1')) },
  );
  await expect.poll(() => printed, { timeout: 30_000 }).toContain('done');
  return { ...running, printed: () => printed };
}

for (const way of ways()) {
  describe(way.name, () => {
    let ground: Ground;
    beforeAll(async () => {
      ground = await openGround(way);
    });
    afterAll(async () => await ground?.[Symbol.asyncDispose]());

    test('command lines of megabytes do not slow the search for processes of killed workers', async () => {
      await using sandbox = await ground.open();
      const argument = 'my $x = "x" x 120_000;';
      const forks = 'for (1 .. 300) { if (!fork) { sleep 600; exit } } print qq(done\\n); sleep 600';
      const running = await hold(sandbox, `${argument} exec "perl", "-e", '$| = 1; ${forks}', map { $x } 1 .. 15`);
      const lengths = readdirSync('/proc').map((pid) => commandLength(pid));
      expect(lengths.filter((length) => length > 1_500_000).length).toBeGreaterThan(300);
      const before = process.memoryUsage.rss();
      endOrphans(ground.workspace.directory);
      expect(process.memoryUsage.rss() - before).toBeLessThan(100 * MIB);
      running.kill();
      await running.exited;
    });

    test.skipIf(process.arch !== 'x64').each([
      ['root of the sandbox', undefined],
      ['the image’s user', USER],
    ])('asynchronous input and output, of which the whole machine has one count, by %s', async (_name, user) => {
      await using sandbox = await ground.open();
      const { output } = await attempt(sandbox, systemCall(206, 128, '"\\0" x 8'), user && { user });
      expect(output).toBe('rejected: Function not implemented\n');
    });

    // Without control groups, each process gets an equal share of the processor time.
    test.skipIf(!('cpu' in groupsOf(way)))(
      'hundreds of busy sessions do not stop a process of the service',
      async () => {
        await using sandbox = await ground.open();
        const sessions = 'for (1 .. 200) { if (!fork) { syscall(112); 1 while 1 } } print "done\\n"; 1 while 1';
        const running = await hold(sandbox, sessions);
        const worst = await longestPause(3000);
        running.kill();
        await running.exited;
        // If each session had as much processor time as this process, the pause would take seconds.
        expect(worst).toBeLessThan(1000);
      },
    );

    describe('files that a script leaves for the capture', () => {
      const capture = async (script: string) => {
        await using sandbox = await ground.open();
        const outcome = await attempt(sandbox, script);
        expect(outcome.output).toBe('');
        const options = { epoch: 1_700_000_000, step: 'attempt', privateKeys: false };
        const layer = await captureLayer(ground.workspace.content, sandbox, options);
        if (layer === undefined) return { layer, paths: [] };
        const paths: string[] = [];
        for await (const { type, path } of readListing(await ground.workspace.content.open(layer.listing)))
          paths.push(`${type} ${path}`);
        return { layer, paths };
      };
      /** Runs the script in a new sandbox whose topmost layer is the captured layer. Returns the script's output. */
      const shown = async (layer: Awaited<ReturnType<typeof capture>>['layer'], script: string) => {
        if (layer === undefined) throw new Error('there is no layer');
        const own = await prepareRoots(ground.workspace, [layer], { step: 'attempt' });
        const layers = [...(await ground.roots()), ...own];
        const sandbox = await openSandbox(ground.workspace, { layers, step: 'attempt' });
        try {
          return (await attempt(sandbox, script)).output;
        } finally {
          await sandbox.close();
        }
      };

      test.each([
        [
          'a time beyond all clocks',
          'perl -e \'open(F, ">", "/opt/x"); close F; utime(2 ** 62, 2 ** 62, "/opt/x") or print "rejected: $!\\n"\'',
          /mtime is not a time/,
        ],
        ['a hard link to a symbolic link', 'ln -s /etc/passwd /opt/a; ln -P /opt/a /opt/b', /is a hard link to opt\/a/],
        ['the mark of an opaque root', ': > /.wh..wh..opq', /they mark removed files in an image/],
        ['a record of aufs', 'mkdir /.wh..wh.plnk; : > /.wh..wh.plnk/x', /they mark removed files in an image/],
      ])('%s is rejected in words', async (_what, script, reason) => {
        await expect(capture(script)).rejects.toMatchObject({
          name: 'BuildError',
          message: expect.stringMatching(reason) as string,
        });
      });

      test('names that are options, lines, escapes or not text are kept unchanged', async () => {
        const names = ['\\xff', '\\xfe', 'a\\nb', '-rf', '--checkpoint-action=exec=id', '..x', '\\x1b[31m', 'x'];
        const make = `for (${names.map((name) => `"${name}"`).join(', ')}) { open(F, ">", "/opt/$_") or print "rejected: $!\\n"; print F $_ }`;
        const { layer, paths } = await capture(`perl -e '${make}'`);
        expect(paths).toHaveLength(names.length + 1);
        const compare =
          'opendir(D, "/opt"); for (sort readdir D) { open(F, "<", "/opt/$_"); print "same " if <F> . <F> eq $_ }';
        expect(await shown(layer, `perl -e '${compare}'`)).toBe('same '.repeat(names.length));
      });

      test('attributes of overlayfs have no effect', async () => {
        const names = ['opaque', 'redirect', 'whiteout', 'whiteouts', 'origin', 'metacopy', 'upper', 'overlay.opaque'];
        const set = `for my $path ("/etc", "/opt") { for (${names.map((name) => `"user.overlay.${name}"`).join(', ')}) { my ($p, $n, $v) = ($path, $_, "y"); syscall(188, $p, $n, $v, 1, 0) } }`;
        const { layer } = await capture(`perl -e '${set}'`);
        if (layer !== undefined) expect(await shown(layer, 'ls /etc /opt')).toMatch(/passwd[\s\S]*kept/);
        await using sandbox = await ground.open();
        expect((await attempt(sandbox, `perl -e '${set}'; ls /etc /opt; cat /etc/passwd`)).output).toMatch(
          /passwd[\s\S]*kept[\s\S]*root:x:0/,
        );
      });

      test('files without read permission, sockets and pipes are captured and extracted', async () => {
        const odd =
          'mkdir "/opt/z"; open(F, ">", "/opt/z/x"); chmod 0, "/opt/z/x", "/opt/z"; my $p = "/opt/pipe"; syscall(133, $p, 0010644, 0); my $s = syscall(41, 1, 1, 0); my $a = pack("S a108", 1, "/opt/socket"); syscall(49, $s, $a, 110)';
        const { layer, paths } = await capture(`perl -e '${odd}'; mkdir /opt/s; chmod 7777 /opt/s; chmod 0 /opt`);
        expect(paths).toEqual(['folder opt', 'fifo opt/pipe', 'folder opt/s', 'folder opt/z', 'file opt/z/x']);
        expect(await shown(layer, 'stat -c "%a %F" /opt /opt/z/x /opt/pipe')).toBe(
          '0 directory\n0 regular empty file\n644 fifo\n',
        );
      });
    });

    describe('a service that sends its tests', () => {
      /**
       * Returns a server that handles each connection with a perl statement. `$h` is the connection. It uses system calls,
       * because no perl module is installed.
       */
      const server = (reply: string): string => `
        my $f = syscall(41, 2, 1, 0); my $a = pack("S n N x8", 2, 8080, 0x7f000001);
        syscall(49, $f, $a, 16) == 0 or die "bind: $!"; syscall(50, $f, 64); print "done\\n";
        while (1) { my $c = syscall(288, $f, 0, 0, 0); next if $c < 0; if (fork) { syscall(3, $c); next } open(my $h, "+<&=", $c); $h->autoflush(1); ${reply}; exit }`;
      const CONTINUE = 'HTTP/1.1 100 Continue\\r\\n\\r\\n';
      const HEAD = 'HTTP/1.1 200 OK\\r\\n';
      const REPLIES: readonly [name: string, reply: string][] = [
        ['an answer', `print $h "${HEAD}Content-Length: 3\\r\\nConnection: close\\r\\n\\r\\nyes"`],
        ['one header without end', `print $h "${HEAD}X: "; 1 while print $h "a" x 65536`],
        ['headers without end', `print $h "${HEAD}"; 1 while print $h "X: a\\r\\n" x 100`],
        ['promises without end', `1 while print $h "${CONTINUE}" x 100`],
        [
          'another protocol',
          'print $h "HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: x\\r\\nConnection: upgrade\\r\\n\\r\\nx"',
        ],
        [
          'a chunk’s extension without end',
          `print $h "${HEAD}Transfer-Encoding: chunked\\r\\n\\r\\n1;"; 1 while print $h "a" x 65536`,
        ],
        [
          'trailers without end',
          `print $h "${HEAD}Transfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n"; 1 while print $h "T: x\\r\\n" x 100`,
        ],
        ['a body without end', `print $h "${HEAD}\\r\\n"; 1 while print $h "a" x 65536`],
        ['more than its length', `print $h "${HEAD}Content-Length: 1\\r\\n\\r\\nabcHTTP/1.1 500 X\\r\\n\\r\\n"`],
        ['no protocol', 'print $h "\\0\\1\\x1b[31m\\r\\n\\r\\n"'],
        [
          'a reset',
          'my $l = pack("ii", 1, 0); syscall(54, fileno($h), 1, 13, $l, 8); print $h "HTTP/1.1 200 OK\\r\\n\\r\\nx"',
        ],
        ['nothing', 'syscall(48, fileno($h), 1)'],
        ['byte after byte', '1 while syswrite($h, "a")'],
      ];
      const TESTS: readonly ProductTest[] = [
        { name: 'page', kind: 'http', port: 8080, path: '/', status: 299, timeout_seconds: 1 },
        { name: 'words', kind: 'tcp', port: 8080, send: 'x'.repeat(500_000), receive: 'never', timeout_seconds: 1 },
        { name: 'open port', kind: 'tcp', port: 8080, timeout_seconds: 1 },
      ];

      test.skipIf(process.arch !== 'x64').each(REPLIES)('%s', async (_name, reply) => {
        const uncaught: Error[] = [];
        const note = (error: Error): void => void uncaught.push(error);
        process.on('uncaughtExceptionMonitor', note);
        try {
          await using sandbox = await ground.open();
          const service = await hold(sandbox, server(reply), USER);
          const started = { sandbox, service, command: { command: [], user: USER }, signal: undefined };
          const before = process.memoryUsage.rss();
          const passed: boolean[] = [];
          for (const one of TESTS) passed.push((await attemptTest(one, started, 1000)).passed);
          expect(passed).toEqual([false, false, true]);
          expect(process.memoryUsage.rss() - before).toBeLessThan(100 * MIB);
          service.kill();
          await service.exited;
        } finally {
          process.off('uncaughtExceptionMonitor', note);
        }
        expect(uncaught).toEqual([]);
      });
    });

    describe('layers that fill the disk', () => {
      test('empty files count with the space that they take', async () => {
        const names = Array.from({ length: 3000 }, (_, index) => entry(`opt/${index}`, { content: '' }));
        const layer = await writeLayer(ground.workspace.content, [entry('opt'), ...names]);
        const [root = ''] = await prepareRoots(ground.workspace, [layer], { step: 'attempt' });
        expect(Number(readFileSync(join(root, '..', 'size'), 'utf8'))).toBeGreaterThan(3000 * 4096);
      });

      test('no layer is extracted while the disk is nearly full, and nothing of it is left', async () => {
        const layer = await writeLayer(ground.workspace.content, [entry('opt/full', { content: 'full' })]);
        const content = { ...ground.workspace.content, freeShare: async () => 0.049 };
        const roots = () =>
          readdirSync(ground.workspace.directory)
            .filter((name) => name.startsWith('roots-'))
            .flatMap((name) => readdirSync(join(ground.workspace.directory, name)));
        const before = roots();
        await expect(prepareRoots({ ...ground.workspace, content }, [layer], { step: 'attempt' })).rejects.toThrow(
          'Less than 5 % of the disk is free',
        );
        expect(roots()).toEqual(before);
      });
    });
  });
}

function groupsOf({ probe }: ReturnType<typeof ways>[number]): object {
  return probe.mode !== 'files-only' && probe.host.control.mode !== 'watchdog' ? probe.host.control.folders : {};
}

function commandLength(pid: string): number {
  try {
    return readFileSync(`/proc/${pid}/cmdline`).length;
  } catch {
    return 0;
  }
}

/** Returns the longest time for which this process had to wait for a processor. */
async function longestPause(durationMs: number): Promise<number> {
  let worst = 0;
  const begin = performance.now();
  for (let last = begin; last - begin < durationMs; ) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
  }
  return worst;
}
