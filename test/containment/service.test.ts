// Attacks on the whole service: customizations with hostile scripts, packages and files, and hostile base images from a
// registry. Each attack ends within seconds as one failed pipeline or one unhealthy base image, with the cause. The same
// server and worker continue.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archiveOf } from '../customization-archive.ts';
import { PATIENCE_MS, type Service, startTestService, until } from '../service.ts';
import { type Canary, placeCanary } from './attempts.ts';

const STORY_MS = 2 * PATIENCE_MS;
/** The time limit of an attack. A build of redis takes two seconds here, but other tests may keep this machine busy. */
const ATTEMPT_MS = 60_000;
/** How much more memory an attempt may use in worker and engine processes than the largest harmless build. */
const MEMORY_BYTES_MAX = 100 * 1024 ** 2;

let service: Service;
let scratch: string;
let canary: Canary;
let before: string;
let worker: number;
let server: number;
let harmlessBytes: number;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'larder-attack-'));
  canary = placeCanary();
  before = canary.state();
  service = await startTestService({ LARDER_EGRESS_ALLOW: '127.0.0.1' });
  const { client, catalog_id } = service;
  const base = (await client.call('listBaseImages', {})).items.find(({ name }) => name === 'Debian 12');
  const offerings = await client.call('listOfferings', {
    operating_system_name: 'Debian 12',
    packaging_types: ['CONTAINER_IMAGE'],
    page_size: 100,
  });
  const ids = offerings.items.filter(({ product }) => product.key === 'redis').map(({ id }) => id);
  const wanted = { kind: 'CREATION' as const, name: 'redis', application_offering_ids: ids };
  const { id } = await client.call('createApplicationRequest', {
    catalog_id,
    ...wanted,
    base_image_id: base?.id ?? '',
  });
  await until('redis is released', async () => {
    const { status } = await client.call('getApplicationRequest', { catalog_id, application_request_id: id });
    return status === 'COMPLETED';
  });
  [worker, server] = [service.pidOf('worker'), service.pidOf('server')];
  const { peakBytes } = await watched(() =>
    attempt('harmless', { 'customization.yaml': 'packages: [nginx-light]\n', 'scripts/final.sh': 'true\n' }),
  );
  harmlessBytes = peakBytes;
}, STORY_MS);

afterAll(async () => {
  await service?.stop();
  canary?.[Symbol.dispose]();
  rmSync(scratch, { recursive: true, force: true });
}, STORY_MS);

/** Uploads a customization, waits for its end, deletes it, and returns the result for redis. */
async function attempt(name: string, files: Record<string, string>) {
  const { client, catalog_id } = service;
  const filter = { product_key: 'redis' };
  const { id: customization_id } = await client.call('createCustomization', {
    catalog_id,
    name,
    filter,
    file: await archiveOf(scratch, files, name.replaceAll(/\W+/g, '-')),
  });
  const done = await ended(customization_id);
  await client.call('deleteCustomization', { catalog_id, customization_id });
  await ended(customization_id);
  const [releasable] = done.affected_releasables ?? [];
  return {
    status: releasable?.status,
    cause: releasable?.failure?.cause,
    message: releasable?.failure?.description ?? '',
  };
}

async function ended(customization_id: string) {
  const { client, catalog_id } = service;
  return await until('the customization ended', async () => {
    const found = await client.call('getCustomization', { catalog_id, customization_id });
    // The status is DELETED if no release contains the customization.
    return /_(SUCCEEDED|FAILED)$|^DELETED$/.test(found.status ?? '') && found;
  });
}

/**
 * Runs `act`. Returns its result. Also returns the peak memory of the worker and its largest engine process during the run.
 */
async function watched<T>(act: () => Promise<T>): Promise<{ result: T; peakBytes: number }> {
  let peakBytes = 0;
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, memoryOfWorker());
  }, 100);
  try {
    return { result: await act(), peakBytes };
  } finally {
    clearInterval(timer);
  }
}

type Process = { pid: number; parent: number; bytes: number; args: string };

/** Returns the processes of this machine. Arguments are cut, because attacks of other tests have megabytes of arguments. */
function listProcesses(): Process[] {
  const columns = 'ppid=,pid=,rss=,args=';
  const lines = execFileSync('ps', ['-eo', columns, '--cols', '2000'], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => {
    const [, parent, pid, kib, args = ''] = /^\s*(\d+)\s+(\d+)\s+(\d+) (.*)$/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), bytes: Number(kib) * 1024, args }];
  });
}

function memoryOfWorker(): number {
  const processes = listProcesses();
  // One engine process handles the attempt. Another one may be idle or may still handle the earlier deletion.
  const engines = processes.filter(({ parent, args }) => parent === worker && args.includes('engine-process'));
  const own = processes.find(({ pid }) => pid === worker);
  return (own?.bytes ?? 0) + Math.max(0, ...engines.map(({ bytes }) => bytes));
}

const PERL = '#!/usr/bin/perl\n';

/** Customizations. Each has the expected words of its failure, or `SUCCEEDED` if the result is harmless. */
const ATTEMPTS: readonly [name: string, files: Record<string, string>, outcome: RegExp | 'SUCCEEDED'][] = [
  [
    'a dpkg-deb that prints without end',
    {
      'customization.yaml': 'packages: [nginx-light, libnginx-mod-http-echo]\n',
      'scripts/before-packages.sh':
        "printf '#!/bin/sh\\nexec yes\\n' > /usr/bin/dpkg-deb; chmod 755 /usr/bin/dpkg-deb\n",
    },
    /printed more than|dpkg-deb/,
  ],
  [
    'a dpkg that prints without end',
    {
      'customization.yaml': 'packages: [nginx-light]\n',
      'scripts/before-packages.sh': "printf '#!/bin/sh\\nexec yes\\n' > /usr/bin/dpkg; chmod 755 /usr/bin/dpkg\n",
    },
    /printed more than 64 MiB/,
  ],
  ['output without end', { 'scripts/final.sh': 'exec yes\n' }, /final\.sh.*printed more than 64 MiB/s],
  ['output without lines', { 'scripts/final.sh': 'exec cat /dev/zero\n' }, /printed more than 64 MiB/],
  [
    'a package database with a hole of 1.3 GB',
    { 'scripts/final.sh': 'truncate -s 1300M /var/lib/dpkg/status\n' },
    /var\/lib\/dpkg\/status/,
  ],
  ['a user database with a hole', { 'scripts/final.sh': 'truncate -s 900M /etc/passwd\n' }, /etc\/passwd/],
  [
    'a package database that is not valid',
    { 'scripts/final.sh': 'head -c 3000000 /dev/urandom > /var/lib/dpkg/status\n' },
    /package database/,
  ],
  [
    'six thousand nested folders',
    { 'scripts/final': `${PERL}chdir "/opt"; for (1 .. 6000) { mkdir "d"; chdir "d" or die }\n` },
    /deep|levels|path/i,
  ],
  [
    'seven hundred thousand files',
    {
      'scripts/final': `${PERL}for my $d (1 .. 700) { mkdir "/opt/$d"; for (1 .. 1000) { open(F, ">", "/opt/$d/$_") or die "$!" } }\n`,
    },
    /made more than 250,000 files|entries|files/,
  ],
  [
    'holes of 100 files of 2 GiB',
    { 'scripts/final.sh': 'for i in $(seq 100); do truncate -s 2G /opt/$i; done\n' },
    /larger|more than|GiB/,
  ],
  [
    'memory without end',
    { 'scripts/final': `${PERL}my @x; push @x, "x" x 10000000 while 1;\n` },
    /used more than 4 GiB of memory/,
  ],
  [
    'processes without end',
    { 'scripts/final.sh': 'bomb() { bomb | bomb & }; bomb; sleep 60\n' },
    /ran more than 1,024 processes/,
  ],
  [
    'files without end',
    { 'scripts/final.sh': 'while :; do n=$((n + 1)); head -c 100000000 /dev/zero > /opt/x$n || exit 1; done\n' },
    /wrote more than 2 GiB/,
  ],
  [
    'links in place of mount points',
    {
      'scripts/before-packages.sh': 'mv /run /run.gone; ln -s /oldroot/CANARY /run; ln -sfn /oldroot/CANARY /tmp/x\n',
      'scripts/final.sh': 'echo x > /run/escaped; exit 7\n',
    },
    /failed with code|cannot/,
  ],
  [
    'a link in place of /etc',
    {
      'scripts/before-packages.sh': 'mv /etc /etc.gone; ln -s /oldroot/CANARY /etc; echo x > /etc/escaped\n',
      'scripts/final.sh': 'echo x > /etc/escaped; exit 7\n',
    },
    /before-packages\.sh, line 1: failed with code|removes parts that the image requires: \/etc\/passwd/,
  ],
  [
    'a link for /etc/hosts',
    { 'rootfs/etc/company': 'x', 'scripts/final.sh': 'ln -sf /oldroot/CANARY/file /etc/hosts\n' },
    'SUCCEEDED',
  ],
  [
    'variables for the loader',
    {
      'customization.yaml':
        'environment:\n  LD_PRELOAD: /usr/lib/evil.so\n  LD_LIBRARY_PATH: /evil\n  BASH_ENV: /evil\n',
    },
    'SUCCEEDED',
  ],
  [
    'names with terminal sequences',
    { 'scripts/final.sh': "printf '\\033]0;pwned\\007\\033[31m' ; printf '\\033[2J' >&2; exit 3\n" },
    /failed with code 3/,
  ],
  [
    'a program that ignores signals',
    { 'scripts/final.sh': "trap '' TERM INT HUP; setsid sh -c 'trap \"\" TERM; sleep 900' & exit 4\n" },
    /failed with code 4/,
  ],
];

describe('customizations', () => {
  test.each(ATTEMPTS)('%s', { timeout: STORY_MS }, async (name, files, outcome) => {
    const placed = Object.fromEntries(
      Object.entries(files).map(([path, text]) => [
        path,
        text.replaceAll('/oldroot/CANARY', `/oldroot${canary.folder}`),
      ]),
    );
    const begin = performance.now();
    const { result, peakBytes } = await watched(() => attempt(name, placed));
    console.log(
      `${name}: ${result.status} after ${Math.round((performance.now() - begin) / 100) / 10} s, ${Math.round((peakBytes - harmlessBytes) / 1024 ** 2)} MiB more; ${result.message.slice(0, 160)}`,
    );
    if (outcome === 'SUCCEEDED') expect(result.status).toBe('SUCCEEDED');
    else
      expect(`${result.status} ${result.message}`).toMatch(
        new RegExp(`^FAILED [^]*(?:${outcome.source})`, outcome.flags),
      );
    expect(result.message).not.toMatch(/internal error|\u001b/);
    expect(performance.now() - begin).toBeLessThan(ATTEMPT_MS);
    expect(peakBytes - harmlessBytes).toBeLessThan(MEMORY_BYTES_MAX);
    expect(canary.state()).toBe(before);
    expect([service.pidOf('worker'), service.pidOf('server')]).toEqual([worker, server]);
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
  });

  test('a script that runs for minutes ends within two seconds of its customization’s deletion', {
    timeout: STORY_MS,
  }, async () => {
    const { client, catalog_id } = service;
    const seconds = String(500_000 + process.pid);
    const { id: customization_id } = await client.call('createCustomization', {
      catalog_id,
      name: 'slow',
      filter: { product_key: 'redis' },
      file: await archiveOf(scratch, { 'scripts/final.sh': `sleep ${seconds}\n` }, 'slow'),
    });
    await until('the script runs', async () => sleeping(seconds));
    const begin = performance.now();
    await client.call('deleteCustomization', { catalog_id, customization_id });
    await until('the script is gone', async () => !sleeping(seconds));
    expect(performance.now() - begin).toBeLessThan(2_000);
    await ended(customization_id);
  });
});

function sleeping(seconds: string): boolean {
  return listProcesses().some(({ args }) => args === `sleep ${seconds}`);
}

/**
 * Returns the command lines of a process, its descendants, and processes without a parent. Processes of other tests are
 * omitted, because they have their own sandboxes.
 */
function treeAndOrphans(root: number): string[] {
  const all = listProcesses();
  const below = (parent: number): Process[] =>
    all.filter((one) => one.parent === parent).flatMap((one) => [one, ...below(one.pid)]);
  const found = all.filter(({ pid, parent }) => pid === root || parent === 1);
  return [...found, ...below(root)].map(({ args }) => args);
}

test('no process or file of the attempts is left on the machine', { timeout: STORY_MS }, async () => {
  const processes = treeAndOrphans(service.pidOf('worker'));
  expect(processes.some((args) => args.includes('bin/worker'))).toBe(true);
  expect(processes.join('\n')).not.toMatch(/sleep 900|bwrap --args/);
  expect(readFileSync('/proc/sys/kernel/core_pattern', 'utf8')).not.toContain('evil');
});
