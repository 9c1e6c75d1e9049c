// Reads the signatures of an image from a registry over HTTP, and verifies them with openssl, without Larder's code.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newReleaseKeyPair } from '../src/identity/release-key-pairs.ts';

/** The address of the repository, such as `http://127.0.0.1:5000/v2/team/redis`. */
type At = { repository: string; headers?: Record<string, string> };

const ACCEPT = ['application/vnd.oci.image.manifest.v1+json', 'application/vnd.oci.image.index.v1+json'].join(', ');

async function read(at: At, path: string): Promise<Buffer> {
  const answer = await fetch(`${at.repository}/${path}`, { headers: { accept: ACCEPT, ...at.headers } });
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}: ${await answer.text()}`);
  return Buffer.from(await answer.arrayBuffer());
}

const readJson = async (at: At, path: string) => JSON.parse((await read(at, path)).toString());

export type Signed = { bytes: Buffer; signature: Buffer };
export type TaggedSignature = Signed & { payload: { critical: Record<string, Record<string, string>> } };
export type Bundle = Signed & {
  manifest: Record<string, unknown> & { annotations: Record<string, string> };
  hint: string;
  statement: { subject: { digest: Record<string, string> }[]; predicateType: string };
};

/** Returns the signatures under the older tag of an image. */
export async function readTagged(at: At, digest: string): Promise<TaggedSignature[]> {
  const { layers } = await readJson(at, `manifests/${digest.replace(':', '-')}.sig`);
  return await Promise.all(
    layers.map(async (layer: { digest: string; annotations: Record<string, string> }) => {
      const bytes = await read(at, `blobs/${layer.digest}`);
      const signature = Buffer.from(layer.annotations['dev.cosignproject.cosign/signature'] ?? '', 'base64');
      return { bytes, signature, payload: JSON.parse(bytes.toString()) };
    }),
  );
}

/**
 * Returns the bundles that refer to an image. Finds them with the referrers API or, in registries without it, under the tag.
 */
export async function readBundles(at: At, digest: string): Promise<Bundle[]> {
  const index = await readJson(at, `referrers/${digest}`)
    .catch(() => readJson(at, `manifests/${digest.replace(':', '-')}`))
    // A registry without the API has no such tag if nothing refers to the image.
    .catch((error: Error) => (error.message.includes(' answers 404') ? { manifests: [] } : Promise.reject(error)));
  const found = index.manifests.filter(({ artifactType }: { artifactType?: string }) =>
    artifactType?.includes('bundle'),
  );
  return await Promise.all(found.map((one: { digest: string }) => readBundle(at, one.digest)));
}

async function readBundle(at: At, digest: string): Promise<Bundle> {
  const manifest = await readJson(at, `manifests/${digest}`);
  const { verificationMaterial, dsseEnvelope } = await readJson(at, `blobs/${manifest.layers[0].digest}`);
  const payload = Buffer.from(dsseEnvelope.payload, 'base64');
  const type = dsseEnvelope.payloadType;
  return {
    ...{ manifest, hint: verificationMaterial.publicKey.hint, statement: JSON.parse(payload.toString()) },
    bytes: Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]),
    signature: Buffer.from(dsseEnvelope.signatures[0].sig, 'base64'),
  };
}

/** Whether openssl verifies a signature with a public key in PEM. */
export function isVerifiedByOpenssl({ bytes, signature }: Signed, publicKey: string): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'larder-openssl-'));
  const file = (name: string, content: Buffer | string) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const [key, sig] = [file('key.pem', publicKey), file('sig', signature)];
  try {
    const verify = ['dgst', '-sha256', '-verify', key, '-signature', sig, file('bytes', bytes)];
    return execFileSync('openssl', verify, { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .includes('Verified OK');
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Returns the bytes with one changed bit in the middle byte. */
export function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const middle = copy.length >> 1;
  copy.writeUInt8(copy.readUInt8(middle) ^ 1, middle);
  return copy;
}

/** Writes a new private key in PEM to a folder. Returns the path. */
export function writeNewKey(folder: string): string {
  const { id, private_key } = newReleaseKeyPair();
  writeFileSync(join(folder, `${id}.pem`), private_key);
  return join(folder, `${id}.pem`);
}
