// Answers pushes and deletes of manifests and tags (distribution-spec 1.1, "Pushing Manifests", "Content Management").
import { isDigest } from '../content/digest.ts';
import { MANIFEST_BYTES_MAX, once } from '../oci/manifest.ts';
import { isTag } from '../oci/reference.ts';
import { readBody } from './body.ts';
import { type CheckedManifest, checkManifest } from './manifest.ts';
import { manifestUnknown, putManifest, removeManifest, removeTag } from './manifests.ts';
import type { RegistryContext } from './registry-context.ts';
import { type RegistryExchange, readDigest, repositoryOf } from './registry-exchange.ts';
import { Rejection } from './rejection.ts';

/** Answers PUT of a manifest under a tag or under its own digest. */
export async function pushManifest(exchange: RegistryExchange<'manifest'>): Promise<unknown> {
  const { context, request, reply } = exchange;
  const { name, reference } = exchange.asked;
  const tag = isTag(reference) ? reference : undefined;
  const expected = tag === undefined ? readDigest(reference) : undefined;
  await context.checkFreeSpace();
  const bytes = await readBody(request, MANIFEST_BYTES_MAX);
  const manifest = checkManifest(bytes, request.headers['content-type']);
  if (expected !== undefined && expected !== manifest.digest) {
    throw new Rejection('DIGEST_INVALID', 'provided digest did not match uploaded content');
  }
  await keep(context, manifest, bytes);
  await putManifest(context.ask, repositoryOf(exchange), { ...manifest, ...(tag !== undefined && { tag }) });
  reply.headers({ location: `/v2/${name}/manifests/${manifest.digest}`, 'docker-content-digest': manifest.digest });
  if (manifest.subject_digest !== null) {
    reply.header('oci-subject', manifest.subject_digest);
  }
  return await reply.code(201).send();
}

/** Stores the bytes of a manifest if they are not stored yet. The same manifest is often pushed under five tags. */
async function keep(context: RegistryContext, { digest }: CheckedManifest, bytes: Buffer): Promise<void> {
  if (!(await context.content.touch(digest))) {
    await context.content.put(once(bytes), { digest });
  }
  context.manifests.set(digest, bytes);
}

/** Answers DELETE. A digest deletes the manifest with all its tags, and a tag deletes only the tag. */
export async function deleteManifest(exchange: RegistryExchange<'manifest'>): Promise<unknown> {
  const { context, reply } = exchange;
  const { reference } = exchange.asked;
  if (isDigest(reference)) {
    await removeManifest(context.pool, repositoryOf(exchange), reference);
  } else if (isTag(reference)) {
    await removeTag(context.pool, repositoryOf(exchange), reference);
  } else {
    throw manifestUnknown();
  }
  return await reply.code(202).send();
}
