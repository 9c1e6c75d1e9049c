// Changes single bits of the content of docker-registry. Changes signatures in both forms, and the manifest to which a tag
// points.
import { createHash } from 'node:crypto';
import { flipped } from './signatures.ts';

/** The address of the repository, such as `http://127.0.0.1:5000/v2/team/redis`. */
type Repository = string;

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function succeed(url: string, options: RequestInit): Promise<Response> {
  const answer = await fetch(url, options);
  if (!answer.ok) throw new Error(`${options.method} ${url} answers ${answer.status}: ${await answer.text()}`);
  return answer;
}

async function readBytes(repository: Repository, path: string): Promise<Buffer> {
  const headers = { accept: `${MANIFEST}, ${INDEX}` };
  const answer = await succeed(`${repository}/${path}`, { method: 'GET', headers });
  return Buffer.from(await answer.arrayBuffer());
}

const readJson = async (repository: Repository, path: string) =>
  JSON.parse((await readBytes(repository, path)).toString());

async function putManifest(repository: Repository, reference: string, body: Buffer): Promise<void> {
  const type = (JSON.parse(body.toString()) as { mediaType: string }).mediaType;
  await succeed(`${repository}/manifests/${reference}`, { method: 'PUT', headers: { 'content-type': type }, body });
}

async function pushBlob(repository: Repository, body: Buffer): Promise<{ digest: string; size: number }> {
  const digest = digestOf(body);
  const opened = await succeed(`${repository}/blobs/uploads/`, { method: 'POST' });
  const url = new URL(opened.headers.get('location') ?? '', repository);
  url.searchParams.set('digest', digest);
  const headers = { 'content-type': 'application/octet-stream' };
  await succeed(url.href, { method: 'PUT', headers, body });
  return { digest, size: body.length };
}

const toJson = (value: unknown) => Buffer.from(JSON.stringify(value));
const flippedBase64 = (text: string) => flipped(Buffer.from(text, 'base64')).toString('base64');

/** Changes one bit of the signature under the older tag of an artifact. */
export async function flipTagged(repository: Repository, digest: string): Promise<void> {
  const tag = `${digest.replace(':', '-')}.sig`;
  const manifest = await readJson(repository, `manifests/${tag}`);
  const { annotations } = manifest.layers[0] as { annotations: Record<string, string> };
  const name = 'dev.cosignproject.cosign/signature';
  annotations[name] = flippedBase64(annotations[name] ?? '');
  await putManifest(repository, tag, toJson(manifest));
}

/** Changes one bit of the signature in the bundle that refers to an artifact, in a registry without the referrers API. */
export async function flipBundle(repository: Repository, digest: string): Promise<void> {
  const tag = digest.replace(':', '-');
  const index = await readJson(repository, `manifests/${tag}`);
  for (const referrer of index.manifests) {
    if (!String(referrer.artifactType).includes('bundle')) continue;
    const manifest = await readJson(repository, `manifests/${referrer.digest}`);
    const bundle = await readJson(repository, `blobs/${manifest.layers[0].digest}`);
    const [signature] = bundle.dsseEnvelope.signatures;
    signature.sig = flippedBase64(signature.sig);
    Object.assign(manifest.layers[0], await pushBlob(repository, toJson(bundle)));
    const bytes = toJson(manifest);
    Object.assign(referrer, { digest: digestOf(bytes), size: bytes.length });
    await putManifest(repository, referrer.digest, bytes);
  }
  await putManifest(repository, tag, toJson(index));
}

/**
 * Changes one letter in the first annotation value of the manifest to which a tag points. Returns the new digest of the
 * manifest.
 */
export async function flipManifest(repository: Repository, tag: string): Promise<string> {
  const manifest = await readJson(repository, `manifests/${tag}`);
  const [name = 'title', value = 'a'] = Object.entries<string>(manifest.annotations ?? {})[0] ?? [];
  manifest.annotations = { ...manifest.annotations, [name]: `${value.slice(0, -1)}${value.endsWith('b') ? 'c' : 'b'}` };
  const bytes = toJson(manifest);
  await putManifest(repository, tag, bytes);
  return digestOf(bytes);
}
