// A base image for tests that need a real Debian, and packages that are selected for it. There is one for each machine and
// user, and it is kept between runs.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { ContentStore } from '../src/content/content.ts';
import { openDiskContent } from '../src/content/disk.ts';
import { openAptRoot } from '../src/debian/apt.ts';
import { configuredSources } from '../src/debian/apt-sources.ts';
import { buildBaseImage } from '../src/packaging/image/base-image.ts';
import type { BasePin, PackagePin } from '../src/plan/pin.ts';
import { exclusiveBy, keyedLocks } from '../src/sandbox/exclusive.ts';
import { sandboxMode } from './fixtures/build.ts';

const SUITE = 'bookworm';
export const OPERATING_SYSTEM = 'debian-12';

/** A folder to which only this user can write, so that nobody else can replace the base image. */
const folder = join(tmpdir(), `larder-tests-${process.getuid?.() ?? 0}`);
const remembered = join(folder, 'base.json');

export type Debian = { base: BasePin; content: ContentStore };

/** Returns the base image with its content. Builds it if content is missing. Concurrent test files wait for the build. */
export async function debianBase(): Promise<Debian> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const content = await openDiskContent(join(folder, 'content'));
  await takeLock();
  try {
    const known = existsSync(remembered) ? (JSON.parse(await readFile(remembered, 'utf8')) as BasePin) : undefined;
    if (known !== undefined && (await isWhole(content, known))) return { base: known, content };
    const base = await buildDebian(content);
    await writeFile(`${remembered}.${process.pid}`, JSON.stringify(base));
    await rename(`${remembered}.${process.pid}`, remembered);
    return { base, content };
  } finally {
    await rm(lock, { force: true });
  }
}

const lock = join(folder, 'lock');

/** Takes the lock. If the process that holds the lock has ended, the lock counts as free. */
async function takeLock(): Promise<void> {
  for (;;) {
    try {
      await writeFile(lock, String(process.pid), { flag: 'wx' });
      return;
    } catch {
      const holder = await readFile(lock, 'utf8').catch(() => '');
      if (holder !== '' && !existsSync(`/proc/${holder}`)) await rm(lock, { force: true });
      await delay(100);
    }
  }
}

/** Builds the base image into this store. */
export async function buildDebian(content: ContentStore): Promise<BasePin> {
  const directory = await mkdtemp(join(folder, 'workspace-'));
  try {
    const { pin } = await buildBaseImage({
      workspace: { directory, content, probe: sandboxMode, exclusive: exclusiveBy(keyedLocks()) },
      sources: (await configuredSources(SUITE)).deb822,
      suite: SUITE,
      operating_system: OPERATING_SYSTEM,
      log: { write: () => undefined },
    });
    return pin;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * Whether all content exists. Reads every content to its end, which verifies it. A kept pin without a platform has an older
 * format and counts as incomplete.
 */
async function isWhole(content: ContentStore, pin: BasePin): Promise<boolean> {
  if (pin.manifest.platform === undefined) return false;
  const digests = [
    pin.digest,
    pin.manifest.digest,
    pin.config.digest,
    pin.listing,
    ...pin.layers.map((one) => one.descriptor.digest),
  ];
  if (pin.packages !== undefined) digests.push(pin.packages);
  try {
    for (const digest of digests) await finished((await content.open(digest)).resume());
    return true;
  } catch {
    return false;
  }
}

/**
 * Returns these packages and the dependencies that the base image does not have. Stores them in the content of the base
 * image.
 */
export async function solvePackages({ base, content }: Debian, install: string[]): Promise<PackagePin[]> {
  if (base.packages === undefined) return [];
  const apt = await openAptRoot({
    directory: join(folder, `apt-${process.pid}`),
    sources: await configuredSources(SUITE),
    operating_system: OPERATING_SYSTEM,
  });
  try {
    await apt.update();
    const status = Buffer.concat(await (await content.open(base.packages)).toArray()).toString();
    return await apt.fetch(await apt.solve({ status, install }), content);
  } finally {
    await rm(join(folder, `apt-${process.pid}`), { recursive: true, force: true });
  }
}
