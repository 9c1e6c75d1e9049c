// Pulls a released image from the hosted registry like any client, and reads one file of the customization from it.
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hexOf } from '../content/digest.ts';
import { createEgress } from '../egress/egress.ts';
import type { Descriptor, Index } from '../oci/descriptor.ts';
import { LAYER_READING } from '../oci/layer-limits.ts';
import { uncompressed } from '../oci/layer-listing.ts';
import { isIndex, parseManifest, readManifestBytes } from '../oci/manifest.ts';
import { parseReference } from '../oci/reference.ts';
import { openRemote } from '../oci/remote/remote-repository.ts';
import type { Source } from '../oci/target.ts';
import { readTar } from '../tar/read.ts';
import { DemoFailed } from './demo-failed.ts';

const run = promisify(execFile);

/** The user name in the log-in. The registry accepts any user name. */
export const USER_NAME = 'larder';

export type Pull = {
  /** Scheme, host and port of the registry. */
  registry: string;
  /** Host, repository and tag. */
  url: string;
  digest: string;
  apiToken: string;
  /** The path of skopeo. If absent, Larder's own client pulls. */
  skopeo?: string | undefined;
};

/** Returns the text of a file of the image, from the uppermost layer that contains it. `path` has no leading `/`. */
export async function pullFile(pull: Pull, path: string): Promise<string> {
  if (pull.skopeo !== undefined) return await withSkopeo({ ...pull, skopeo: pull.skopeo }, path);
  const { hostname } = new URL(pull.registry);
  const egress = createEgress({ allow: [hostname.replace(/^\[|\]$/g, '')] });
  try {
    const credentials = { username: USER_NAME, password: pull.apiToken };
    const { repository } = parseReference(pull.url);
    return await readFileOf(openRemote({ url: pull.registry, credentials, egress, repository }), pull.digest, path);
  } finally {
    egress.close();
  }
}

async function withSkopeo(pull: Pull & { skopeo: string }, path: string): Promise<string> {
  const { skopeo, digest } = pull;
  const folder = await mkdtemp(join(tmpdir(), 'larder-demo-'));
  try {
    const { host } = new URL(pull.registry);
    const login = await writeLogin(folder, pull);
    const image = join(folder, 'image');
    const options = ['--quiet', '--src-authfile', login, '--src-tls-verify=false'];
    const from = `docker://${host}/${parseReference(pull.url).repository}@${digest}`;
    // A process that has switched from root to the account cannot read root's home folder, where skopeo searches its
    // settings.
    const home = [`HOME=${folder}`, `XDG_RUNTIME_DIR=${folder}`];
    await run('env', [...home, skopeo, 'copy', ...options, from, `oci:${image}:pulled`]);
    return await readFileOf(layoutSource(image), digest, path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Writes the log-in for the registry to a file, and returns the path of the file. The password is not on the command line,
 * because every user of the machine can read command lines.
 */
export async function writeLogin(
  folder: string,
  { registry, apiToken }: Pick<Pull, 'registry' | 'apiToken'>,
): Promise<string> {
  const file = join(folder, 'auth.json');
  const auth = Buffer.from(`${USER_NAME}:${apiToken}`).toString('base64');
  await writeFile(file, JSON.stringify({ auths: { [new URL(registry).host]: { auth } } }), { mode: 0o600 });
  return file;
}

/** Returns a source over a folder with one image (OCI image-spec, image-layout.md). */
function layoutSource(folder: string): Source {
  return {
    async resolve() {
      const index = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')) as Index;
      return index.manifests[0];
    },
    fetch: async ({ digest }) => createReadStream(join(folder, 'blobs', 'sha256', hexOf(digest))),
  };
}

async function readFileOf(source: Source, reference: string, path: string): Promise<string> {
  for (const layer of (await layersOf(source, reference)).toReversed()) {
    const text = await readFileOfLayer(source, layer, path);
    if (text !== undefined) return text;
  }
  throw new DemoFailed(`/${path} is not in the pulled image.`);
}

/** Returns the layers of the image. If there are several platforms, uses the first. */
async function layersOf(source: Source, reference: string): Promise<Descriptor[]> {
  let descriptor = await source.resolve(reference);
  while (descriptor !== undefined) {
    const bytes = await readManifestBytes(await source.fetch(descriptor), descriptor);
    const document = parseManifest(bytes, descriptor.mediaType);
    if (!isIndex(document)) return document.layers;
    descriptor = document.manifests[0];
  }
  throw new DemoFailed('The registry does not have the image.');
}

async function readFileOfLayer(source: Source, layer: Descriptor, path: string): Promise<string | undefined> {
  const stream = await source.fetch(layer);
  try {
    for await (const { header, body } of readTar(await uncompressed(stream), LAYER_READING)) {
      if (header.type !== 'file' || header.path !== path) continue;
      const parts: Uint8Array[] = [];
      for await (const part of body) parts.push(part);
      return Buffer.concat(parts).toString('utf8');
    }
    return undefined;
  } finally {
    stream.destroy();
  }
}
