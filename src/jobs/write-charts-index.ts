// Writes the index of the charts in a registry. The index contains everything that the database has. So each run also adds
// what an earlier run could not write.
import { inTransaction } from '../db/database.ts';
import type { JobContext } from '../db/queue-worker.ts';
import { CHARTS_INDEX, CHARTS_INDEX_BYTES_MAX, type IndexedVersion, writeChartsIndex } from '../helm/charts-index.ts';
import { abortableTarget } from '../oci/abortable-target.ts';
import { contentTarget } from '../oci/content-target.ts';
import { copyArtifact, readBack, readManifestOf } from '../oci/copy.ts';
import { type Descriptor, type Manifest, MEDIA_TYPES } from '../oci/descriptor.ts';
import { RegistryError } from '../oci/errors.ts';
import { describeBytes, isIndex, once, putDocument, readAtMost } from '../oci/manifest.ts';
import type { Target } from '../oci/target.ts';
import { type ChartsIndexRows, findIndexRows, recordIndex } from '../pipelines/charts-indexes.ts';
import { pruneManifests } from '../registry/prune.ts';
import { askPool } from '../registry/statements.ts';
import { explainPush, isOfContent } from './distribution-failure.ts';
import { openRegistryTarget, splitRegistryUrl } from './registry-target.ts';
import type { WorkerResources } from './worker-resources.ts';

/**
 * The time limit of a write in milliseconds. The index has at most some MB, so a registry that takes longer does not answer.
 */
const WRITE_MS_MAX = 5 * 60 * 1000;

/**
 * Writes the index of a registry, if it changed. If the registry rejects it, records the reason, and the next healthy check of the registry
 * enqueues another attempt. Throws RegistryError for a temporary fault, which the queue retries.
 */
export async function writeIndexOfRegistry(
  resources: WorkerResources,
  { registry_id }: { registry_id: string },
  context: Pick<JobContext, 'signal'>,
): Promise<void> {
  const { db, log } = resources;
  const rows = await findIndexRows(db, registry_id);
  if (rows === undefined) return;
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(WRITE_MS_MAX)]);
  try {
    await writeLocked(resources, rows, signal);
    await inTransaction(db, (tx) => recordIndex(tx, { registry_id }));
  } catch (error) {
    const fault = faultOf(error, rows);
    if (fault === undefined) throw error;
    log.warn({ registry_id, fault }, 'the index of charts was not written');
    await inTransaction(db, (tx) => recordIndex(tx, { registry_id, fault }));
  }
}

/**
 * Returns the reason why an outside registry rejects the index. Returns undefined for other errors, which may be temporary.
 */
function faultOf(error: unknown, { registry, root }: ChartsIndexRows): string | undefined {
  if (registry.hosted || !(error instanceof RegistryError) || error.temporary || isOfContent(error)) return undefined;
  const { host } = splitRegistryUrl(registry.url);
  const isAnonymous = registry.sealed_access_secret === null;
  return explainPush(error, { host, repository: indexRepository(root), isAnonymous });
}

function indexRepository(root: string): string {
  return root === '' ? CHARTS_INDEX.repository : `${root}/${CHARTS_INDEX.repository}`;
}

/** Reads the rows again under the lock. So if two workers write, the later one also writes the rows of the earlier one. */
async function writeLocked(
  resources: WorkerResources,
  { registry, root }: ChartsIndexRows,
  signal: AbortSignal,
): Promise<void> {
  const repository = indexRepository(root);
  const { host } = splitRegistryUrl(registry.url);
  await resources.locks.hold(['charts index', host.toLowerCase(), repository], signal, async () => {
    const rows = await findIndexRows(resources.db, registry.id);
    if (rows === undefined) return;
    const target = abortableTarget(openRegistryTarget(resources, registry, repository), signal);
    const digests = await write(resources, { rows, host, target });
    if (digests === undefined || !registry.hosted) return;
    // The previous manifest is kept, because a client that has already resolved the tag may still read it.
    const { organization_id } = registry;
    await pruneManifests(askPool(resources.pool), { organization_id, name: repository }, digests);
  });
}

type Writing = { rows: ChartsIndexRows; host: string; target: Target };

/**
 * Returns the digest of the manifest to which the tag pointed before, and the digest of the new manifest. Returns undefined
 * if the index did not change.
 */
async function write(
  { content }: WorkerResources,
  { rows, host, target }: Writing,
): Promise<Descriptor['digest'][] | undefined> {
  const held = await target.resolve(CHARTS_INDEX.tag);
  const existing = held && (await readIndex(target, held));
  const bytes = writeChartsIndex(entriesOf(rows, host), { existing, own: rows.repositories });
  const layer: Descriptor = {
    ...describeBytes(CHARTS_INDEX.layer, bytes),
    annotations: { 'org.opencontainers.image.title': CHARTS_INDEX.title },
  };
  await content.put(once(bytes), layer);
  const config = await putDocument(content, CHARTS_INDEX.config, {});
  const manifest: Manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config, layers: [layer] };
  const root = await putDocument(content, MEDIA_TYPES.manifest, manifest);
  if (held?.digest === root.digest) return undefined;
  await copyArtifact(contentTarget(content), target, root, { tags: [CHARTS_INDEX.tag] });
  await readBack(target, root, [CHARTS_INDEX.tag]);
  return held === undefined ? [root.digest] : [held.digest, root.digest];
}

/**
 * Returns the bytes of an index in the registry. Returns undefined if the tag points to something else. Throws RegistryError
 * if the index is too large.
 */
async function readIndex(target: Target, held: Descriptor): Promise<Buffer | undefined> {
  const document = await readManifestOf(target, held);
  const layer = isIndex(document)
    ? undefined
    : document.layers.find(({ mediaType }) => mediaType === CHARTS_INDEX.layer);
  if (layer === undefined) return undefined;
  if (layer.size > CHARTS_INDEX_BYTES_MAX) {
    const message = `The index of charts has more than ${CHARTS_INDEX_BYTES_MAX} bytes; delete it in the registry, and Larder writes another one.`;
    throw new RegistryError({ op: 'read charts index', side: 'target', code: 'TOO_LARGE', temporary: false, message });
  }
  return await readAtMost(await target.fetch(layer), layer.size);
}

function entriesOf({ releases, root }: ChartsIndexRows, host: string): Map<string, IndexedVersion[]> {
  const path = root === '' ? host : `${host}/${root}`;
  const entries = new Map<string, IndexedVersion[]>();
  for (const { repository, name, version, app_version, digest, released_at } of releases) {
    const versions = entries.get(repository) ?? [];
    entries.set(repository, versions);
    const urls = [`${path}/${repository}:${version}`];
    versions.push({
      version,
      appVersion: app_version,
      name,
      urls,
      digest,
      releasedAt: new Date(released_at).toISOString(),
    });
  }
  return entries;
}
