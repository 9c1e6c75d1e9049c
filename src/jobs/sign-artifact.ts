// Signs an artifact in a registry, in the two forms that cosign reads: a bundle as a referrer, and the older signature tag.
// The worker itself signs, so that no sandbox and no engine process gets a private key.
import { inTransaction } from '../db/database.ts';
import {
  BUNDLE_ANNOTATIONS,
  BUNDLE_MEDIA_TYPE,
  preAuthEncoding,
  signatureStatement,
  sigstoreBundle,
} from '../evidence/sigstore-bundle.ts';
import {
  SIGNATURE_ANNOTATION,
  SIMPLE_SIGNING_MEDIA_TYPE,
  signatureConfig,
  signatureTag,
  simpleSigningPayload,
} from '../evidence/simple-signing.ts';
import type { Signer } from '../identity/signer.ts';
import { contentTarget } from '../oci/content-target.ts';
import { copyArtifact, readBack, readManifestOf } from '../oci/copy.ts';
import { type Descriptor, type Manifest, MEDIA_TYPES } from '../oci/descriptor.ts';
import { describeBytes, isIndex, once, putDocument } from '../oci/manifest.ts';
import { putReferrer } from '../oci/referrers.ts';
import type { Target } from '../oci/target.ts';
import { findSignature, keepSignature } from '../pipelines/release-signatures.ts';
import type { WorkerResources } from './worker-resources.ts';

type Resources = Pick<WorkerResources, 'db' | 'content' | 'locks'>;

/** The organization's keys that sign new releases. */
export type Signing = { organization_id: string; signers: readonly Signer[] };

/**
 * The most signatures under one tag. Signatures that Larder did not make count too. Few people sign one image, so the limit
 * is far above any real number, and it keeps the manifest small.
 */
const SIGNATURES_MAX = 200;

/** Stores, for each key, a bundle and a manifest that refers to the artifact. Returns the manifests. */
export async function putBundles(resources: Resources, signing: Signing, subject: Descriptor): Promise<Descriptor[]> {
  const statement = signatureStatement(subject.digest);
  return await Promise.all(
    signing.signers.map(async (signer) => {
      const signature = await signOnce(resources, { ...signing, signer, bytes: preAuthEncoding(statement) });
      const bytes = sigstoreBundle(statement, { key_id: signer.key_id, signature });
      const layer = describeBytes(BUNDLE_MEDIA_TYPE, bytes);
      await resources.content.put(once(bytes), layer);
      const title = `${layer.digest.replace(':', '-')}.sigstore.json`;
      return await putReferrer(resources.content, {
        artifactType: BUNDLE_MEDIA_TYPE,
        subject,
        layers: [{ ...layer, annotations: { 'org.opencontainers.image.title': title } }],
        annotations: { ...BUNDLE_ANNOTATIONS },
      });
    }),
  );
}

/** `name` is the artifact's repository, with its host. */
type TaggedArtifact = { target: Target; subject: Descriptor; name: string; signal: AbortSignal };

/**
 * Adds a signature of each key to the artifact's signature tag, unless the tag already has it. Keeps signatures that Larder
 * did not make.
 */
export async function addToSignatureTag(
  resources: Resources,
  signing: Signing,
  { target, subject, name, signal }: TaggedArtifact,
): Promise<void> {
  const payload = simpleSigningPayload(subject.digest, name);
  const layer = describeBytes(SIMPLE_SIGNING_MEDIA_TYPE, payload);
  await resources.content.put(once(payload), layer);
  const signed = await Promise.all(
    signing.signers.map(async (signer) => {
      const signature = await signOnce(resources, { ...signing, signer, bytes: payload });
      return { ...layer, annotations: { [SIGNATURE_ANNOTATION]: signature.toString('base64') } };
    }),
  );
  const tag = signatureTag(subject.digest);
  await resources.locks.hold(['signature tag', name, tag], signal, async () => {
    const held = await readLayers(target, tag);
    const missing = signed.filter((one) => !held.some((other) => isSame(one, other)));
    if (missing.length === 0) return;
    const layers = [...held.slice(missing.length - SIGNATURES_MAX), ...missing];
    await writeLayers(resources, { target, tag, layers, held });
  });
}

async function readLayers(target: Target, tag: string): Promise<Descriptor[]> {
  const found = await target.resolve(tag);
  const document = found && (await readManifestOf(target, found));
  return document === undefined || isIndex(document) ? [] : document.layers;
}

function isSame(one: Descriptor, other: Descriptor): boolean {
  return (
    one.digest === other.digest && one.annotations?.[SIGNATURE_ANNOTATION] === other.annotations?.[SIGNATURE_ANNOTATION]
  );
}

type Written = { target: Target; tag: string; layers: Descriptor[]; held: Descriptor[] };

async function writeLayers({ content }: Resources, { target, tag, layers, held }: Written): Promise<void> {
  const config = await putDocument(content, MEDIA_TYPES.config, signatureConfig(layers));
  const manifest: Manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config, layers };
  const root = await putDocument(content, MEDIA_TYPES.manifest, manifest);
  // Payloads of signatures that Larder did not make are in the registry, but may not be in the content store.
  const isPresent = (digest: string) => held.some((layer) => layer.digest === digest);
  await copyArtifact(contentTarget(content), target, root, { tags: [tag], isPresent });
  await readBack(target, root, [tag]);
}

type Signed = { organization_id: string; signer: Signer; bytes: Buffer };

/** Returns the key's signature of these bytes. Signs the bytes only if no such signature is stored. */
async function signOnce({ db }: Resources, { organization_id, signer, bytes }: Signed): Promise<Buffer> {
  const signed = { organization_id, key_id: signer.key_id, signed_digest: describeBytes('', bytes).digest };
  const known = await findSignature(db, signed);
  if (known !== undefined) return known;
  const signature = await signer.sign(bytes);
  return await inTransaction(db, (tx) => keepSignature(tx, signed, signature));
}
