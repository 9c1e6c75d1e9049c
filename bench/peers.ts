// Other image builders, run like by their users. Each adds one archive as a layer to an image of a registry, and pushes the
// result.
import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export type Peer = {
  name: string;
  /** Downloads the layers of the base image once, before the images are customized. Larder also has these layers. */
  prepare(repository: string): Promise<void>;
  customize(repository: string, lane: number): Promise<void>;
  stop(): Promise<void>;
};

type PeerInput = {
  /** Host and port of the registry, `127.0.0.1:PORT`. */
  host: string;
  /** The tag of the image to customize. */
  from: string;
  /** The tag of the image that is pushed. */
  to: string;
  /** The files as an uncompressed tar. */
  tar: string;
  /** The folder for all files of the program. */
  directory: string;
};

/**
 * umoci appends the layer, and skopeo pulls and pushes. Each lane has its own layout, because umoci loses images if two
 * processes write the index of one layout.
 */
export function umociPeer({ host, from, to, tar, directory }: PeerInput, lanes: number): Peer {
  const layout = (lane: number) => join(directory, `layout-${lane}`);
  const pull = (repository: string, lane: number) =>
    run('skopeo', [
      'copy',
      '--src-tls-verify=false',
      `docker://${host}/${repository}:${from}`,
      `oci:${layout(lane)}:${nameOf(repository)}`,
    ]);
  return {
    name: 'umoci + skopeo',
    async prepare(repository) {
      await mkdir(directory, { recursive: true });
      for (let lane = 0; lane < lanes; lane += 1) await pull(repository, lane);
    },
    async customize(repository, lane) {
      const image = `${layout(lane)}:${nameOf(repository)}`;
      await pull(repository, lane);
      await run('umoci', ['raw', 'add-layer', '--image', image, tar]);
      await run('skopeo', ['copy', '--dest-tls-verify=false', `oci:${image}`, `docker://${host}/${repository}:${to}`]);
    },
    stop: async () => await rm(directory, { recursive: true, force: true }),
  };
}

/** buildah, with a separate folder for its store. It uses its faster driver, `overlay`, if the machine permits it. */
export async function buildahPeer({ host, from, to, tar, directory }: PeerInput): Promise<Peer> {
  const options = (driver: string) => [
    '--root',
    join(directory, driver, 'root'),
    '--runroot',
    join(directory, driver, 'run'),
    '--storage-driver',
    driver,
  ];
  const buildah = async (driver: string, ...args: string[]) =>
    (await run('buildah', [...options(driver), ...args], { env: { ...process.env, BUILDAH_ISOLATION: 'chroot' } }))
      .stdout;
  const driver = await buildah('overlay', 'from', 'scratch').then(
    () => 'overlay',
    () => 'vfs',
  );
  const begin = async (repository: string) =>
    (await buildah(driver, 'from', '--tls-verify=false', `docker://${host}/${repository}:${from}`)).trim();
  return {
    name: `buildah (${driver})`,
    async prepare(repository) {
      await begin(repository);
    },
    async customize(repository) {
      const container = await begin(repository);
      await buildah(driver, 'add', container, tar, '/');
      const image = `docker://${host}/${repository}:${to}`;
      await buildah(driver, 'commit', '--tls-verify=false', '--rm', container, image);
    },
    async stop() {
      await buildah(driver, 'rm', '--all').catch(() => undefined);
      await run('umount', ['-R', join(directory, 'overlay', 'root', 'overlay')]).catch(() => undefined);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function nameOf(repository: string): string {
  return repository.replaceAll('/', '-');
}
