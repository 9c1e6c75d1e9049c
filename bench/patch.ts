// One patched package that is installed into one image. Larder's engine installs it from its lock. apt installs it in the
// same sandbox from the same indexes of the archive.
import { execFileSync } from 'node:child_process';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { openAptRoot } from '../src/debian/apt.ts';
import { configuredSources } from '../src/debian/apt-sources.ts';
import { disposable } from '../src/packaging/image/application-layer.ts';
import { captureLayer } from '../src/packaging/image/capture.ts';
import { openGivenFolder } from '../src/packaging/image/given-folder.ts';
import { givePackages, installPackages } from '../src/packaging/image/packages.ts';
import { prepareRoots } from '../src/packaging/image/rootfs.ts';
import { openBuildLog } from '../src/sandbox/build-log.ts';
import { openSandbox, type Sandbox } from '../src/sandbox/sandbox.ts';
import { debianBase, OPERATING_SYSTEM } from '../test/debian.ts';
import { testWorkspace } from '../test/fixtures/build.ts';

const PACKAGE = 'libssl3';
const SUITE = 'bookworm';
const STEP = 'bench';
const EPOCH = 1_760_000_000;
const RUNS = 5;

/** Median seconds from the image to the finished layer. */
export type PatchFigures = { ours: number; apt: number; solve: number };

/**
 * Measures both programs. apt has no network in a sandbox. So it gets the indexes of the archive, and the .deb in its cache.
 * Neither program downloads anything. So the measured time of apt is the time for solving and for dpkg.
 */
export async function measurePatch(directory: string): Promise<PatchFigures> {
  const { base, content } = await debianBase();
  await using workspace = await testWorkspace(content);
  const archive = join(directory, 'apt');
  const apt = await openAptRoot({
    directory: archive,
    sources: await configuredSources(SUITE),
    operating_system: OPERATING_SYSTEM,
  });
  await apt.update();
  const status = withoutPackage(await text(await content.open(base.packages ?? base.digest)));
  const solving = performance.now();
  const lock = await apt.solve({ status, install: [PACKAGE] });
  const solve = (performance.now() - solving) / 1000;
  const packages = await apt.fetch(lock, content);

  await using given = openGivenFolder(workspace);
  await givePackages(given, packages);
  for (const { name, version, architecture, digest } of packages) {
    await given.copy(`debs/${name}_${version.replaceAll(':', '%3a')}_${architecture}.deb`, digest);
  }
  await cp(join(archive, 'state', 'lists'), join(given.folder, 'lists'), { recursive: true });
  await cp(join(archive, 'etc', 'sources.list.d'), join(given.folder, 'sources'), { recursive: true });
  execFileSync('chmod', ['-R', 'a+rX', given.folder]);

  const log = openBuildLog({ write: () => undefined });
  const options = { packages, epoch: EPOCH, log, step: STEP, cause_kind: 'CUSTOMIZATION_BUILD_ERROR' as const };
  const layerBy = async (layers: string[], install: (sandbox: Sandbox) => Promise<void>) => {
    await using sandbox = disposable(await openSandbox(workspace, { layers, step: STEP, given: given.folder }));
    await install(sandbox);
    return await captureLayer(content, sandbox, { epoch: EPOCH, step: STEP, privateKeys: true });
  };
  const ours = (sandbox: Sandbox) => installPackages(sandbox, options);
  const byApt = async (sandbox: Sandbox) => {
    log.mark();
    const exit = await sandbox.run(
      {
        command: ['sh', '-c', APT],
        environment: { DEBIAN_FRONTEND: 'noninteractive', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      },
      { onOutput: log.write, merged: true },
    );
    if (exit.code !== 0) throw new Error(`apt ended with ${exit.code}:\n${log.tail()}`);
  };

  const roots = await prepareRoots(workspace, base.layers, { step: STEP });
  return {
    solve,
    ours: await median(async () => void (await layerBy(roots, ours))),
    apt: await median(async () => void (await layerBy(roots, byApt))),
  };
}

const APT = `set -e
cp /.larder/debs/*.deb /var/cache/apt/archives/
apt-get -q -y --no-download --reinstall --no-install-recommends -o Debug::NoLocking=1 -o Dir::State::lists=/.larder/lists -o Dir::Etc::sourceparts=/.larder/sources -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 install ${PACKAGE}
rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin`;

/**
 * Removes the package's stanza. The base image already has the newest version. Without the stanza, the lock contains this
 * version, like it would contain a newer one.
 */
function withoutPackage(status: string): string {
  return status
    .split('\n\n')
    .filter((stanza) => !stanza.startsWith(`Package: ${PACKAGE}\n`))
    .join('\n\n');
}

async function median(act: () => Promise<void>): Promise<number> {
  const seconds: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const begun = performance.now();
    await act();
    seconds.push((performance.now() - begun) / 1000);
  }
  seconds.sort((a, b) => a - b);
  return seconds[Math.floor(RUNS / 2)] ?? 0;
}
