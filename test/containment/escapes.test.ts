// Attempts of a script to leave the sandbox, through other namespaces, the kernel, and this machine's files, processes, names
// and network. Each attempt states the expected answer of the kernel. So a test fails if its attempt stops earlier.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { attempt, type Ground, openGround, placeCanary, systemCall, USER, ways } from './attempts.ts';

const DENIED = /Operation not permitted/;
const NO_FAMILY = /Address family not supported/;

/** System calls by their number on x86_64, each with the expected answer. */
const CALLS: readonly [name: string, call: string, answer: RegExp][] = [
  ['unshare: a user namespace', systemCall(272, 0x10000000), DENIED],
  ['unshare: a mount namespace', systemCall(272, 0x00020000), DENIED],
  ['unshare: a network namespace', systemCall(272, 0x40000000), DENIED],
  ['unshare: a time namespace', systemCall(272, 0x00000080), DENIED],
  ['clone with a user namespace', systemCall(56, 0x10000000 | 17, 0, 0, 0, 0), DENIED],
  ['clone3, whose flags no filter sees', systemCall(435, '"\\0" x 88', 88), /Function not implemented/],
  [
    'setns',
    'perl -e \'open(my $f, "<", "/proc/1/ns/net") or die "$!"; print syscall(308, fileno($f), 0) < 0 ? "rejected: $!\\n" : "ok\\n"\'',
    /Operation not permitted|Permission denied/,
  ],
  ['mount a tmpfs', systemCall(165, '"x"', '"/tmp"', '"tmpfs"', 0, 0), DENIED],
  ['unmount /proc', systemCall(166, '"/proc"', 2), DENIED],
  ['unmount what Larder gives', systemCall(166, '"/.larder"', 2), DENIED],
  ['pivot_root', systemCall(155, '"/tmp"', '"/tmp"'), DENIED],
  ['open a file system', systemCall(430, '"proc"', 0), DENIED],
  ['open a tree of mounts', systemCall(428, -100, '"/"', 1), DENIED],
  ['open a tree of mounts with attributes', systemCall(467, -100, '"/"', 1, 0, 0), DENIED],
  ['move a mount', systemCall(429, -100, '"/proc"', -100, '"/tmp"', 0), DENIED],
  ['change a mount', systemCall(442, -100, '"/"', 0, '"\\0" x 32', 32), DENIED],
  ['trace the first process', systemCall(101, 16, 1, 0, 0), DENIED],
  ['read the memory of the first process', systemCall(310, 1, 0, 0, 0, 0, 0), DENIED],
  ['a descriptor of another process', systemCall(438, 0, 0, 0), DENIED],
  ['add a key', systemCall(248, '"user"', '"x"', '"y"', 1, -2), DENIED],
  ['read keys', systemCall(250, 0, -3, 0, 0, 0), DENIED],
  ['load a BPF program', systemCall(321, 5, '"\\0" x 64', 64), DENIED],
  ['count events of the processor', systemCall(298, '"\\0" x 128', 0, -1, -1, 0), DENIED],
  ['handle page faults', systemCall(323, 0), DENIED],
  ['io_uring, which acts behind the filter', systemCall(425, 8, '"\\0" x 120'), DENIED],
  ['load a kernel module', systemCall(175, '"x"', 1, '""'), DENIED],
  ['load a kernel', systemCall(246, 0, 0, 0, 0), DENIED],
  ['restart the machine', systemCall(169, 0xfee1dead, 672274793, 0x1234567, 0), DENIED],
  ['swap', systemCall(167, '"/etc/passwd"', 0), DENIED],
  ['set the clock', systemCall(164, '"\\0" x 16', 0), DENIED],
  ['adjust the clock', systemCall(159, '"\\0" x 208'), DENIED],
  ['name the machine', systemCall(170, '"evil"', 4), DENIED],
  ['read the kernel log', systemCall(103, 3, '"\\0" x 64', 64), DENIED],
  ['account for processes', systemCall(163, '"/tmp"'), DENIED],
  ['open by a file handle, past every mount', systemCall(304, -100, '"\\0" x 64', 0), DENIED],
  ['watch the file system', systemCall(300, 0, 0), DENIED],
  ['memory that the kernel cannot see', systemCall(447, 0), DENIED],
  ['a call of the x32 table', systemCall(0x40000000 + 272, 0x10000000), DENIED],
  ['crypto of the kernel (AF_ALG)', systemCall(41, 38, 5, 0), NO_FAMILY],
  ['the host of a virtual machine (AF_VSOCK)', systemCall(41, 40, 1, 0), NO_FAMILY],
  ['a family whose module the kernel would load (AF_TIPC)', systemCall(41, 30, 1, 0), NO_FAMILY],
  ['a pair of sockets of such a family', systemCall(53, 30, 1, 0, '"\\0" x 8'), NO_FAMILY],
  ['raw packets', systemCall(41, 17, 3, 768), NO_FAMILY],
  ['a raw socket', systemCall(41, 2, 3, 1), DENIED],
  ['type into a terminal (TIOCSTI)', systemCall(16, 0, 0x5412, '"x"'), DENIED],
  ['ports of the machine', systemCall(173, 0x70, 1, 1), DENIED],
];

/** Scripts, each with the output that it must have. */
const SCRIPTS: readonly [name: string, script: string, answer: RegExp][] = [
  ['a device for the disk', 'mknod /tmp/disk b 8 0', DENIED],
  ['a device for memory', 'mknod /tmp/memory c 1 1', DENIED],
  [
    'a program to run at every crash of the machine',
    'echo "|/bin/sh" > /proc/sys/kernel/core_pattern',
    /Read-only file system/,
  ],
  ['the program that loads modules', 'echo /tmp/x > /proc/sys/kernel/modprobe', /Read-only file system|nonexistent/],
  ['the name of the machine', 'echo evil > /proc/sys/kernel/hostname', /Read-only file system/],
  ['the limit of user namespaces', 'echo 100 > /proc/sys/user/max_user_namespaces', /Read-only file system/],
  ['its own standing when memory is short', 'echo -1000 > /proc/self/oom_score_adj', /Read-only file system/],
  ['the magic key', 'echo b > /proc/sysrq-trigger', /Read-only file system|No such file|nonexistent/],
  ['what Larder gives', 'echo x > /.larder/given', /Read-only file system/],
  ['the loader that Larder starts', 'cp /usr/bin/sh /.larder/ld.so', /Read-only file system/],
  ['renaming /.larder', 'mv /.larder /x', /Device or resource busy|Read-only/],
  ['renaming /proc', 'mv /proc /x', /Device or resource busy|Permission denied/],
  ['removing /dev', 'rmdir /dev', /Device or resource busy|Permission denied/],
  ['a new file in /dev', 'echo x > /dev/x', /Read-only file system/],
  ['a folder of old roots', 'ls -d /oldroot /newroot', /No such file/],
  ['kernel memory', 'head -c 1 /proc/kcore', /No such file|Operation not permitted|Permission denied/],
  ['the kernel log', 'head -c 1 /proc/kmsg', /Operation not permitted|Permission denied/],
];

for (const way of ways()) {
  describe(way.name, () => {
    let ground: Ground;
    let sandbox: Sandbox & AsyncDisposable;
    let verification: Sandbox & AsyncDisposable;
    beforeAll(async () => {
      ground = await openGround(way);
      sandbox = await ground.open();
      verification = await ground.open();
    });
    afterAll(async () => {
      await verification?.[Symbol.asyncDispose]();
      await sandbox?.[Symbol.asyncDispose]();
      await ground?.[Symbol.asyncDispose]();
    });

    describe.each([
      ['root of the sandbox', undefined],
      ['the image’s user', USER],
    ])('%s', (_name, user) => {
      const who = user === undefined ? {} : { user };

      test.skipIf(process.arch !== 'x64').each(CALLS)('system call: %s', async (_call, script, answer) => {
        for (const one of [sandbox, verification]) expect((await attempt(one, script, who)).output).toMatch(answer);
      });

      test.each(SCRIPTS)('script: %s', async (_script, script, answer) => {
        for (const one of [sandbox, verification]) {
          const outcome = await attempt(one, `${script} 2>&1 || sh -c '${script.replaceAll("'", `'\\''`)}' 2>&1`, who);
          // The mode of the file stops a user of the image. The mount stops root of the sandbox.
          expect(outcome.output).toMatch(
            user === undefined
              ? answer
              : /Permission denied|Operation not permitted|No such file|Read-only|nonexistent|busy/,
          );
        }
      });

      test('no path leads to a folder outside', async () => {
        using canary = placeCanary();
        const before = canary.state();
        const inside = canary.folder.slice(1);
        const paths = [
          '/',
          '/oldroot/',
          '/proc/1/root/',
          '/proc/self/root/',
          '/proc/2/root/',
          '/../../',
          '/.larder/../',
        ];
        const script = paths.map((path) => `echo escaped > ${path}${inside}/file && echo GOT ${path}`).join('; ');
        expect((await attempt(sandbox, `${script}; true`, who)).output).not.toContain('GOT');
        const climb = `mkdir -p /tmp/jail && chroot /tmp/jail true; perl -e 'mkdir "/tmp/j"; chroot("/tmp/j") or print "rejected\\n"; chdir("..") for 1..64; chroot("."); open(F, ">", "${inside}/file") and print "GOT\\n"'`;
        expect((await attempt(sandbox, climb, who)).output).not.toContain('GOT');
        expect(canary.state()).toBe(before);
      });

      test('no path, name, process or descriptor of this machine is visible', async () => {
        const script =
          'cat /proc/self/mountinfo /proc/self/mounts /proc/1/environ /proc/1/cmdline /proc/self/cgroup /proc/sys/kernel/hostname /proc/sys/kernel/domainname; hostname; env; cat /proc/[0-9]*/comm';
        const { output } = await attempt(verification, script, who);
        expect(output).toContain('overlay');
        for (const secret of [
          ground.workspace.directory,
          hostname(),
          '/node',
          'larder-build',
          'vitest',
          process.cwd(),
        ]) {
          expect(output).not.toContain(secret);
        }
        const descriptors = (await attempt(sandbox, 'ls /proc/self/fd /proc/$$/fd', who)).output.match(/^\d+$/gm) ?? [];
        // The shell and ls each have the three standard descriptors. The shell also has descriptor 10, and ls has the
        // descriptor of the folder that it reads.
        expect(descriptors.every((number) => Number(number) <= 3 || Number(number) === 10)).toBe(true);
      });

      test('a service has no open files but its own three', async () => {
        await using other = await ground.open();
        const service = other.start({ command: ['sleep', '100'], environment: { PATH: '/usr/bin' } });
        const { output } = await attempt(other, 'ls /proc/self/fd', { ...who, beside: service });
        // Descriptor 3 is the folder that ls reads.
        expect(output).toBe('0\n1\n2\n3\n');
      });

      test('signals reach no process outside', async () => {
        const bystander = spawn('sleep', ['300'], {
          stdio: 'ignore',
          ...(way.name.startsWith('root') || process.getuid?.() !== 0 ? {} : { uid: 65534 }),
        });
        await once(bystander, 'spawn');
        await attempt(sandbox, `kill -KILL ${bystander.pid}; kill -KILL -1; kill -KILL 1; true`, who);
        expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
        bystander.kill('SIGKILL');
      });

      test('sockets of this machine cannot be reached: loopback, abstract names, files', async () => {
        using canary = placeCanary();
        const path = join(canary.folder, 'socket');
        const servers = [
          createServer().listen(0, '127.0.0.1'),
          createServer().listen(path),
          createServer().listen('\0larder-attempt'),
        ];
        await Promise.all(servers.map((server) => once(server, 'listening')));
        const [{ port }] = servers.map((server) => server.address()) as [AddressInfo];
        const unix = (name: string) =>
          `perl -e 'my $n = "${name}"; socket(my $s, 1, 1, 0) or die; print connect($s, pack("S a*", 1, $n)) ? "GOT\\n" : "rejected: $!\\n"'`;
        const script = `bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port}' && echo GOT; ${unix('\\0larder-attempt')}; ${unix(path)}; ${unix(`/oldroot${path}`)}`;
        const { output } = await attempt(sandbox, script, who);
        expect(output).toContain('rejected');
        expect(output).not.toContain('GOT');
        for (const server of servers) server.close();
      });
    });

    test('a program that was setuid root, and one with capabilities, give the user no rights', async () => {
      await attempt(sandbox, 'cp /usr/bin/id /usr/bin/id0; chmod 4755 /usr/bin/id0; chmod u+s,g+s /usr/bin/perl');
      const { output } = await attempt(
        sandbox,
        'id0 -u; perl -e \'print "$> $<\\n"; $> = 0; print "$>\\n"\'; grep -E "CapEff|CapBnd" /proc/self/status',
        { user: USER },
      );
      expect(output).toMatch(/^1001\n1001 1001\n1001\nCapEff:\s+0+\nCapBnd:\s+0+\n/);
    });

    test('variables of the image have an effect only after privileges are dropped', async () => {
      const environment = {
        LD_DEBUG: 'files',
        LD_DEBUG_OUTPUT: '/tmp/loader',
        LD_PRELOAD: '/no/such.so',
        GLIBC_TUNABLES: 'x',
        BASH_ENV: '/tmp/x',
        ENV: '/tmp/x',
      };
      await attempt(sandbox, 'rm -f /tmp/loader*');
      await attempt(sandbox, 'true', { user: USER, environment });
      const { output } = await attempt(sandbox, 'stat -c "%u %n" /tmp/loader* | sort -u');
      expect(output).toMatch(/^1001 /);
      expect(output).not.toMatch(/^0 /m);
    });

    test('variables are passed unchanged, with any characters', async () => {
      const environment = {
        A: `it's "quoted" $HOME \`id\` \\ `,
        'discovery.type': 'single\nnode',
        EMPTY: '',
        B: '$(touch /tmp/pwned)',
      };
      for (const user of [undefined, USER]) {
        let output = '';
        // The variables are not read with a shell, because a shell drops names that it cannot use.
        await sandbox.run(
          { command: ['env', '-0'], environment: { PATH: '/usr/bin', ...environment }, ...(user && { user }) },
          { onOutput: (chunk) => (output += chunk.toString().replaceAll('\0', '|')) },
        );
        for (const [name, value] of Object.entries(environment)) expect(output).toContain(`${name}=${value}|`);
        expect((await attempt(sandbox, 'ls /tmp/pwned')).output).toContain('No such file');
      }
    });

    test.each([
      ['a variable’s value', { environment: { X: 'a\0--bind\0/\0/mnt' } }],
      ['a variable’s name', { environment: { 'X\0--bind\0/\0/mnt': 'a' } }],
      ['the folder it starts in', { directory: '/\0--bind\0/\0/mnt' }],
      ['an argument', { command: ['sh', '-c', 'true\0--bind'] }],
    ])('a NUL in %s is rejected before anything starts', (_where, wanted) => {
      for (const user of [undefined, USER]) {
        expect(() => sandbox.start({ command: ['true'], ...wanted, ...(user && { user }) })).toThrow(/NUL/);
      }
    });

    test('a file that the worker inherited stays outside', async () => {
      using canary = placeCanary();
      const program = `
        import { openSandbox } from ${JSON.stringify(new URL('../../src/sandbox/sandbox.ts', import.meta.url).pathname)};
        const workspace = ${JSON.stringify({ directory: ground.workspace.directory, probe: ground.workspace.probe })};
        const sandbox = await openSandbox(workspace, { layers: ${JSON.stringify(await ground.roots())}, step: 'x' });
        for (const user of [undefined, { uid: 1001, gid: 1001, groups: [] }]) {
          await sandbox.run({ command: ['sh', '-c', 'ls -l /proc/self/fd /proc/1/fd; echo x >&9'], environment: { PATH: '/usr/bin' }, user },
            { merged: true, onOutput: (chunk) => process.stdout.write(chunk) });
        }
        await sandbox.close();`;
      const inherited = openSync(join(canary.folder, 'file'), 'a');
      const stdio = ['ignore', 'pipe', 'inherit', ...Array.from({ length: 6 }, () => 'ignore' as const), inherited];
      const worker = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
        stdio: stdio as never,
      });
      let output = '';
      worker.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
      await once(worker, 'close');
      expect(output).toContain('Bad file descriptor');
      expect(output).not.toContain(canary.folder);
    });
  });
}
