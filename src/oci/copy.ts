// Copies an artifact between two targets: blobs first, then manifests after the content that they refer to, and tags last.
import { randomInt } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { Descriptor, Digest, Index, Manifest } from './descriptor.ts';
import { onSide, RegistryError, type RegistrySide } from './errors.ts';
import { isIndex, once, parseManifest, readManifestBytes } from './manifest.ts';
import type { Placed, SharedUploads } from './shared-uploads.ts';
import type { Source, Target } from './target.ts';

export type CopyOptions = {
  /**
   * Returns a repository of the target's registry that is known to have a blob. If the target's own repository has it, returns that one.
   */
  mountFrom?: (digest: Digest) => string | undefined;
  /**
   * Whether a blob is known to be in the target: then the copy does not check this. If the blob is missing, the copy detects it and sends
   * the blob.
   */
  isPresent?: (digest: Digest) => boolean;
  /** Called for each blob once the target has it. */
  onBlob?: (descriptor: Descriptor, how: Placed) => void;
  /** Tags for the root, set when everything is copied. */
  tags?: string[];
  /** Number of blobs that are copied at the same time. */
  concurrency?: number;
  /** Uploads of copies that run together and share this object. */
  uploads?: SharedUploads;
  /**
   * Limit of the size of all blobs together, as the manifests declare it; each blob is checked against its declared size. Unlimited when
   * absent.
   */
  blobBytesMax?: number;
  /**
   * For a target with content of several organizations. For each blob that the target already has, the source must prove with some of its
   * bytes that it has the blob too: otherwise a source that knows only the digest could obtain a blob of another organization.
   */
  sourceMustHold?: boolean;
  /** Copies only these manifests of an index, for example those of one platform; all if absent. */
  only?: ReadonlySet<Digest>;
};

/** Enough to use the bandwidth while some answers are pending, and few enough to leave connections for other copies. */
const CONCURRENCY_DEFAULT = 4;
/**
 * Blobs up to this size are sent without asking whether the target has them: the question takes as long as sending, and the config of each
 * image is new anyway.
 */
const UNCHECKED_BYTES_MAX = 16 * 1024;
/** Limit of the manifests of one artifact: the largest published indexes have some dozens of platforms. */
const MANIFESTS_MAX = 1000;
/**
 * Limit of the bytes of all manifests, because they are held in memory during the copy. Those of an index of 50 platforms, with
 * attestations, have some 500 KB.
 */
const MANIFESTS_BYTES_MAX = 32 * 1024 * 1024;
/** Error codes of registries for a manifest whose blobs or children are missing. */
const MISSING_CONTENT = new Set(['MANIFEST_BLOB_UNKNOWN', 'BLOB_UNKNOWN', 'MANIFEST_UNKNOWN']);

type Node = { descriptor: Descriptor; bytes: Buffer; document: Manifest | Index };
type CopyContext = { source: Source; target: Target; options: CopyOptions };

/**
 * Copies `root` and everything below it. Throws RegistryError, also if a limit is exceeded; its `side` names the end that failed. After an
 * error, the copied content stays in the target, so that the next attempt does not send it again.
 */
export async function copyArtifact(
  source: Source,
  target: Target,
  root: Descriptor,
  options: CopyOptions = {},
): Promise<void> {
  const context: CopyContext = { source, target, options };
  const nodes = await readGraph(source, root, options.only);
  const blobs = blobsOf(nodes);
  checkSize(blobs, options.blobBytesMax);
  if (await linkArtifact(context, nodes, blobs)) {
    return;
  }
  await copyBlobs(context, blobs);
  try {
    await pushManifests(context, nodes);
  } catch (error) {
    if (!(error instanceof RegistryError && MISSING_CONTENT.has(error.code))) {
      throw error;
    }
    // The registry no longer has content that the hints or remembered uploads promised. The copy is repeated without them.
    const { mountFrom: _told, isPresent: _known, uploads: _remembered, ...plain } = options;
    await copyBlobs({ source, target, options: plain }, blobs);
    await pushManifests(context, nodes);
  }
}

/**
 * Makes the artifact visible in a target that already has all its content. Returns false if the target does not support this or lacks
 * content.
 */
async function linkArtifact(
  { target, options }: CopyContext,
  manifests: Node[],
  blobs: Descriptor[],
): Promise<boolean> {
  const { tags = [], onBlob } = options;
  if (
    target.linkArtifact === undefined ||
    !(await side('target', 'link artifact', async () => target.linkArtifact?.({ blobs, manifests, tags })))
  ) {
    return false;
  }
  for (const blob of blobs) onBlob?.(blob, 'present');
  return true;
}

/** Returns the root and the manifests and indexes below it, children before parents, each once. */
async function readGraph(source: Source, root: Descriptor, only?: ReadonlySet<Digest>): Promise<Node[]> {
  const nodes = new Map<Digest, Node>();
  let size = 0;
  let count = 0;
  async function visit(descriptor: Descriptor): Promise<void> {
    if (nodes.has(descriptor.digest)) {
      return;
    }
    const node = await readNode(source, descriptor);
    size += node.bytes.length;
    if (++count > MANIFESTS_MAX) throw tooMuch(`more than ${MANIFESTS_MAX} manifests`);
    if (size > MANIFESTS_BYTES_MAX) throw tooMuch(`manifests of more than ${MANIFESTS_BYTES_MAX} bytes in total`);
    if (isIndex(node.document)) {
      for (const child of node.document.manifests) {
        if (only?.has(child.digest) ?? true) await visit(child);
      }
    }
    nodes.set(descriptor.digest, node);
  }
  await visit(root);
  return [...nodes.values()];
}

function tooMuch(what: string): RegistryError {
  return onSide(new Error(`the artifact has ${what}`), 'source', 'read manifest');
}

function checkSize(blobs: Descriptor[], bytesMax = Number.POSITIVE_INFINITY): void {
  const size = blobs.reduce((sum, blob) => sum + blob.size, 0);
  if (size > bytesMax) throw tooMuch(`blobs of ${size} bytes, and at most ${bytesMax} bytes are copied`);
}

/** Reads a manifest or index of a source. Throws RegistryError with side `source`, also for an invalid document. */
export async function readManifestOf(source: Source, descriptor: Descriptor): Promise<Manifest | Index> {
  return (await readNode(source, descriptor)).document;
}

async function readNode(source: Source, descriptor: Descriptor): Promise<Node> {
  return await side('source', 'read manifest', async () => {
    const bytes = await readManifestBytes(await source.fetch(descriptor), descriptor);
    return { descriptor, bytes, document: parseManifest(bytes, descriptor.mediaType) };
  });
}

function blobsOf(nodes: Node[]): Descriptor[] {
  const blobs = new Map<Digest, Descriptor>();
  for (const { document } of nodes) {
    const named = isIndex(document) ? [] : [document.config, ...document.layers];
    for (const blob of named.filter((descriptor) => !isNonDistributable(descriptor))) {
      blobs.set(blob.digest, blob);
    }
  }
  return [...blobs.values()];
}

/** Whether a layer may not be distributed: it is stored at its `urls` and not in a registry (descriptor.md). */
export function isNonDistributable(descriptor: Descriptor): boolean {
  return 'urls' in descriptor && /nondistributable|foreign/.test(descriptor.mediaType);
}

async function copyBlobs(context: CopyContext, blobs: Descriptor[]): Promise<void> {
  const waiting = [...blobs];
  async function worker(): Promise<void> {
    for (let blob = waiting.shift(); blob !== undefined; blob = waiting.shift()) {
      const how = await placeBlob(context, blob);
      context.options.onBlob?.(blob, how);
    }
  }
  const workers = Math.min(context.options.concurrency ?? CONCURRENCY_DEFAULT, blobs.length);
  const done = await Promise.allSettled(Array.from({ length: workers }, worker));
  const failed = done.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    throw failed.reason;
  }
}

async function placeBlob(context: CopyContext, blob: Descriptor): Promise<Placed> {
  const { target, options } = context;
  const { place } = target;
  const from = options.mountFrom?.(blob.digest);
  if (options.isPresent?.(blob.digest) || (from !== undefined && from === place?.repository)) {
    return 'present';
  }
  const mount = (repository: string) => side('target', 'mount blob', () => target.mount(blob, repository));
  const send = async () =>
    from !== undefined && (await mount(from)) === 'mounted' ? 'mounted' : await sendMissing(context, blob);
  return options.uploads === undefined || place === undefined || blob.size <= UNCHECKED_BYTES_MAX
    ? await send()
    : await options.uploads.place(blob.digest, place, { send, mount });
}

async function sendMissing({ source, target, options }: CopyContext, blob: Descriptor): Promise<Placed> {
  if (blob.size > UNCHECKED_BYTES_MAX && (await side('target', 'find blob', () => target.exists(blob)))) {
    if (!options.sourceMustHold || (await hasSamePart(source, target, blob))) return 'present';
  }
  await side('target', 'push blob', () => target.push(blob, () => sourceBytes(source, blob)));
  return 'sent';
}

/**
 * Compares a part of the blob, at a random position, in source and target. If it differs, the blob is sent whole and its digest is checked.
 */
async function hasSamePart(source: Source, target: Target, blob: Descriptor): Promise<boolean> {
  const start = randomInt(blob.size - UNCHECKED_BYTES_MAX);
  const range = { start, end: start + UNCHECKED_BYTES_MAX - 1 };
  const shown = await side('source', 'fetch blob', async () => await buffer(await source.fetch(blob, range)));
  const held = await side('target', 'read blob', async () => await buffer(await target.fetch(blob, range)));
  return shown.equals(held);
}

/** Returns the bytes of a blob of the source. If reading fails, the error names the source, even if the target was reading the bytes. */
async function sourceBytes(source: Source, blob: Descriptor): Promise<AsyncIterable<Uint8Array>> {
  const stream = await side('source', 'fetch blob', () => source.fetch(blob));
  async function* bytes(): AsyncGenerator<Uint8Array, void> {
    try {
      yield* stream;
    } catch (error) {
      throw onSide(error, 'source', 'fetch blob');
    }
  }
  return bytes();
}

async function pushManifests({ target, options }: CopyContext, nodes: Node[]): Promise<void> {
  const root = nodes.at(-1);
  const [first, ...more] = options.tags ?? [];
  for (const node of nodes) {
    const open = async () => once(node.bytes);
    const tag = node === root ? first : undefined;
    await side('target', 'push manifest', async () => {
      if (tag !== undefined && target.pushTagged !== undefined) {
        await target.pushTagged(node.descriptor, open, tag);
        return;
      }
      await target.push(node.descriptor, open);
      await (tag === undefined ? undefined : target.tag(node.descriptor, tag));
    });
  }
  for (const tag of more) {
    await side('target', 'tag manifest', async () => root && target.tag(root.descriptor, tag));
  }
}

/** Runs an operation on one side of the copy and adds the side to its error. An error that already names the source is not changed. */
async function side<Result>(end: RegistrySide, op: string, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    throw end === 'target' && error instanceof RegistryError ? error : onSide(error, end, op);
  }
}

/**
 * Checks that each reference in the target resolves to the root. Throws RegistryError READ_BACK if it resolves to another digest or to
 * nothing. The latter error is temporary, because some registries show a push late.
 */
export async function readBack(target: Target, root: Descriptor, references: string[] = [root.digest]): Promise<void> {
  for (const reference of references) {
    const found = await target.resolve(reference).catch((error: unknown) => {
      throw onSide(error, 'target', 'read back');
    });
    if (found?.digest !== root.digest) {
      const message = `read back: ${reference} resolves to ${found?.digest ?? 'nothing'} in the registry, expected ${root.digest}`;
      const temporary = found === undefined;
      throw new RegistryError({ op: 'read back', side: 'target', code: 'READ_BACK', temporary, message });
    }
  }
}
