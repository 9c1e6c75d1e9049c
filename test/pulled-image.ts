// An image that other tools use without Larder. skopeo pulls it, umoci extracts it, and bubblewrap starts it with its own
// user and entrypoint.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageConfig, Index, Manifest } from '../src/oci/descriptor.ts';

export type PulledImage = { layout: string; manifest: Manifest; config: ImageConfig };

/** Copies an image, `host/repository:tag`, to an OCI layout, and reads its documents from the layout. */
export function pullImage(
  from: string,
  { layout, creds, tag = 'pulled' }: { layout: string; creds: string; tag?: string },
): PulledImage {
  const options = ['--src-tls-verify=false', '--src-creds', creds];
  execFileSync('skopeo', ['copy', '--quiet', ...options, `docker://${from}`, `oci:${layout}:${tag}`]);
  const document = (digest: string): unknown =>
    JSON.parse(readFileSync(join(layout, 'blobs', 'sha256', digest.slice('sha256:'.length)), 'utf8'));
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as Index;
  const manifest = document(index.manifests[0]?.digest ?? '') as Manifest;
  return { layout, manifest, config: document(manifest.config.digest) as ImageConfig };
}

export type RunningImage = {
  /** Runs a second program in the image and returns its output. Throws if the program fails. */
  exec(command: string[]): string;
  stop(): Promise<void>;
};

/** Extracts an image to `folder`, and starts it with only its own environment. */
export function runImage({ layout, config }: PulledImage, folder: string): RunningImage {
  execFileSync('umoci', ['unpack', '--rootless', '--image', `${layout}:pulled`, folder], { stdio: 'pipe' });
  const root = join(folder, 'rootfs');
  const inside = bubblewrap(root, config);
  const command = [...(config.config?.Entrypoint ?? []), ...(config.config?.Cmd ?? [])];
  const child = spawn('bwrap', [...inside, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = listen(child);
  return {
    exec(command) {
      if (child.exitCode !== null) throw new Error(`The image ended with ${child.exitCode}: ${said()}`);
      return execFileSync('bwrap', [...inside, ...command], { encoding: 'utf8', stdio: 'pipe' });
    },
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.kill('SIGKILL')) await ended;
    },
  };
}

/**
 * Returns arguments for the image's own user, environment and working directory. The network is the network of this machine,
 * so that a second program can connect to the first.
 */
function bubblewrap(root: string, { config }: ImageConfig): string[] {
  const [uid = '0', gid = '0'] = (config?.User ?? '0:0').split(':');
  const environment = (config?.Env ?? []).flatMap((one) => {
    const at = one.indexOf('=');
    return ['--setenv', one.slice(0, at), one.slice(at + 1)];
  });
  const namespaces = ['--unshare-user', '--uid', uid, '--gid', gid, '--unshare-pid', '--unshare-ipc'];
  const view = ['--bind', root, '/', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'];
  const start = ['--chdir', config?.WorkingDir || '/', '--die-with-parent', '--cap-drop', 'ALL', '--'];
  return [...namespaces, ...view, '--clearenv', ...environment, ...start];
}

function listen(child: ChildProcess): () => string {
  let text = '';
  const keep = (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-4096);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return () => text;
}
