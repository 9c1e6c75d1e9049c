// Attempts of a script to use more than its share of the machine. Each attempt ends by itself or is ended. The exit names the
// limit, nothing is left, and other sandboxes continue.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ResourceControl } from '../../src/sandbox/resource-control.ts';
import type { SandboxLimits } from '../../src/sandbox/sandbox-command.ts';
import { attempt, type Ground, openGround, USER, type Way, ways } from './attempts.ts';

const MIB = 1024 ** 2;
const SMALL: Partial<SandboxLimits> = {
  memoryBytes: 128 * MIB,
  changeBytes: 64 * MIB,
  processes: 60,
  wallClockMs: 40_000,
};

const perl = (program: string): string => `exec perl -e '${program}'`;
/** Allocates memory as fast as possible until it is stopped. */
const FILL = 'my @x; push @x, "x" x 1000000 while 1';
/** Forks processes that do not end. */
const FORKS =
  'for my $i (1 .. 4000) { my $p = fork; if (!defined $p) { print "rejected: $!\\n"; select(undef, undef, undef, 0.05); next } if ($p == 0) { sleep 600; exit } }';

/**
 * The attempts. Each has a name, a script, and the limit that the exit must name. If the attempt fails by itself, it has the
 * expected output instead of the limit. It also has the ways of running sandboxes to which it applies.
 */
const ATTEMPTS: readonly [
  name: string,
  script: string,
  limit: string | RegExp,
  only?: 'root of the sandbox' | 'cgroup' | 'watchdog',
][] = [
  ['memory of one process', perl(FILL), 'memory'],
  [
    'memory of many processes, each below the limit',
    perl(`for (1 .. 30) { if (!fork) { my $x = "x" x 20000000; sleep 60; exit } } sleep 60`),
    'memory',
  ],
  ['memory as another user', perl(`$< = $> = 4321; ${FILL}`), 'memory', 'root of the sandbox'],
  [
    'memory of a process that left its session',
    'setsid sh -c "sleep 0.1; exec perl -e \'my @x; push @x, \\"x\\" x 1000000 while 1\'" & sleep 60',
    'memory',
  ],
  [
    'memory without a process (memfd)',
    perl(
      'my @a = ("x", 0); my $f = syscall(319, @a); print "rejected: $!\\n" if $f < 0; open(F, ">&=", $f); print F "x" x 1000000 for 1 .. 1000',
    ),
    'memory',
    'cgroup',
  ],
  [
    'memory without a process (memfd), uncounted',
    perl('my @a = ("x", 0); print syscall(319, @a) < 0 ? "rejected: $!\\n" : "ok\\n"'),
    /rejected: Function not implemented/,
    'watchdog',
  ],
  ['memory in /dev/shm', 'head -c 200000000 /dev/zero > /dev/shm/x', /No space left/],
  ['memory in /dev', 'head -c 200000000 /dev/zero > /dev/x', /Read-only file system|Permission denied/],
  [
    'memory of System V',
    perl('for (1 .. 4) { my $i = shmget(0, 200000000, 01600); print defined $i ? "got\\n" : "rejected: $!\\n" }'),
    /rejected: /,
  ],
  ['changes in one file', 'head -c 200000000 /dev/zero > /tmp/x', 'file-size'],
  [
    'changes in many files',
    'for i in 1 2 3 4 5 6 7 8 9; do head -c 20000000 /dev/zero > /tmp/many$i; done; [ ! -e /tmp/many9 ] || head -c 1 /tmp/many9 | grep -q .',
    'change-size',
  ],
  [
    'a file with a hole beyond the limit',
    perl('open(F, ">", "/tmp/sparse"); truncate(F, 1e12) or print "rejected: $!\\n"; '),
    'file-size',
  ],
  ['processes of one user', perl(FORKS), 'processes'],
  [
    'processes of many users',
    perl(FORKS.replace('sleep 600', '$< = $> = 5000 + $i; sleep 600')),
    'processes',
    'root of the sandbox',
  ],
  ['a fork bomb', perl('for (;;) { fork }'), 'processes'],
  ['processor time in one process', 'while :; do :; done', 'cpu'],
  ['time', 'sleep 600', 'wall-clock'],
  [
    'time of a process that ignores signals',
    perl('$SIG{TERM} = $SIG{INT} = $SIG{HUP} = "IGNORE"; sleep 600'),
    'wall-clock',
  ],
  ['output without end', 'exec yes', 'output'],
  ['output without end of line', 'exec cat /dev/zero', 'output'],
  [
    'open files',
    perl(
      'my @f; for (1 .. 100000) { open(my $f, "<", "/etc/passwd") or do { print "rejected: $!\\n"; exit 3 }; push @f, $f }',
    ),
    /rejected: Too many open files/,
  ],
];

/** Lower limits for some attempts, so that they end soon. */
const LIMITS: Record<string, Partial<SandboxLimits>> = {
  'processor time in one process': { cpuSeconds: 1 },
  time: { wallClockMs: 500 },
  'time of a process that ignores signals': { wallClockMs: 500 },
  'output without end': { outputBytes: MIB },
  'output without end of line': { outputBytes: MIB },
  'changes in one file': { changeBytes: 32 * MIB },
  'memory in /dev/shm': { changeBytes: 512 * MIB },
  'memory without a process (memfd)': { changeBytes: 512 * MIB },
};

function applies(way: Way, only: string | undefined, user: object | undefined): boolean {
  if (only === 'root of the sandbox') return user === undefined;
  return only === undefined || way.name.includes(only);
}

for (const way of ways()) {
  describe(way.name, () => {
    let ground: Ground;
    beforeAll(async () => {
      ground = await openGround(way);
    });
    afterAll(async () => await ground?.[Symbol.asyncDispose]());

    for (const [name, script, expected, only] of ATTEMPTS) {
      for (const user of [undefined, USER]) {
        if (!applies(way, only, user)) continue;
        test(`${name}, by ${user === undefined ? 'root of the sandbox' : 'the image’s user'}`, async () => {
          await using bystander = await ground.open();
          await using sandbox = await ground.open({ limits: { ...SMALL, ...LIMITS[name] } });
          const other = bystander.start({ command: ['sleep', '100'], environment: { PATH: '/usr/bin' } });
          const outcome = await attempt(sandbox, script, user && { user });
          if (typeof expected === 'string') {
            expect(outcome.stopped, outcome.output.slice(-500)).toBe(expected);
            expect(outcome.why).toMatch(/more than|longer than/);
          } else expect(outcome.output).toMatch(expected);
          expect(await attempt(bystander, 'echo well', { beside: other })).toEqual({ code: 0, output: 'well\n' });
        });
      }
    }

    test('files without end', async () => {
      await using sandbox = await ground.open({ limits: { ...SMALL, changeFiles: 1000 } });
      const outcome = await attempt(
        sandbox,
        perl('mkdir "/tmp/d"; for (1 .. 5000) { open(F, ">", "/tmp/d/$_") or do { print "rejected: $!\\n"; exit 3 } }'),
      );
      expect(outcome.stopped).toBe('change-files');
      expect(outcome.why).toBe('made more than 1,000 files');
    });

    test('nothing is left: no process, no group, no folder', async () => {
      const { probe } = ground.workspace;
      const groups = () => (probe.mode === 'files-only' ? [] : groupsOf(probe.host.control));
      const before = new Set(groups());
      const sandbox = await ground.open({ limits: SMALL });
      const mine = new Set(groups().filter((folder) => !before.has(folder)));
      await attempt(sandbox, 'setsid sleep 7654321 & setsid perl -e "fork; fork; sleep 7654321" & sleep 0.1; exit 0');
      await sandbox[Symbol.asyncDispose]();
      const left = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes('7654321'));
      expect(left).toEqual([]);
      expect(readdirSync(join(ground.workspace.directory, 'sandboxes'))).toEqual([]);
      if (probe.mode === 'files-only' || probe.host.control.mode === 'watchdog') return;
      // Counts only groups without processes, because groups of other tests may have some.
      const forgotten = () =>
        groupsOf(probe.host.control).filter((folder) => readFileSync(join(folder, 'cgroup.procs'), 'utf8') === '');
      await expect.poll(() => forgotten().filter((folder) => mine.has(folder))).toEqual([]);
    });
  });
}

/** Returns the existing groups of sandboxes and engine processes, including groups of other tests. */
function groupsOf(control: ResourceControl): string[] {
  if (control.mode === 'watchdog') return [];
  return Object.values(control.folders).flatMap((folder) =>
    readdirSync(folder)
      .filter((entry) => /^larder-.{36}$/.test(entry))
      .map((entry) => join(folder, entry)),
  );
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
