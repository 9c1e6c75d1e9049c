// Copies an artifact between two targets. The order is: blobs first, then each manifest after the content that it refers to,
// then tags.
import { randomInt } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { Descriptor, Digest, Index, Manifest } from './descriptor.ts';
import { onSide, RegistryError, type RegistrySide } from './errors.ts';
import { isIndex, once, parseManifest, readManifestBytes } from './manifest.ts';
import type { Placed, SharedUploads } from './shared-uploads.ts';
import type { Source, Target } from './target.ts';

export type CopyOptions = {
  /**
   * Returns a repository of the target's registry that is known to have a blob. If the repository of the target itself has
   * the blob, returns this repository.
   */
  mountFrom?: (digest: Digest) => string | undefined;
  /**
   * Whether the target is known to have a blob. The copy then does not ask the target. If the blob is missing after all, the
   * copy notices this later and sends the blob.
   */
  isPresent?: (digest: Digest) => boolean;
  /** Called for each blob when the target has it. */
  onBlob?: (descriptor: Descriptor, how: Placed) => void;
  /** Tags for the root. They are set after everything is copied. */
  tags?: string[];
  /** How many blobs are copied at the same time. */
  concurrency?: number;
  /** The uploads of several copies that run together. These copies share this object, so that each blob is sent only once. */
  uploads?: SharedUploads;
  /**
   * The largest total size of all blobs in bytes, as the manifests declare it. Each blob is compared with its declared size
   * during the copy. If absent, the size is not limited.
   */
  blobBytesMax?: number;
  /**
   * Set this if the target has content of several organizations. For each blob that the target already has, the source must
   * then show some of the blob's bytes. Otherwise a source that knows only the digest could get a blob of another
   * organization.
   */
  sourceMustHold?: boolean;
  /** Copies only these manifests of an index, for example the manifests of one platform. If absent, copies all. */
  only?: ReadonlySet<Digest>;
};

/** Four copies use the bandwidth while some answers are pending, and leave connections for other copies. */
const CONCURRENCY_DEFAULT = 4;
/**
 * A blob up to this size, in bytes, is sent without asking whether the target has it. Asking takes as long as sending.
 * Configs of images and archives of charts, which have up to 50 KB, are new in each release anyway.
 */
const UNCHECKED_BYTES_MAX = 64 * 1024;
/** Each copy sends blobs up to this size, in bytes, because a mount takes as long as sending. */
const UNSHARED_BYTES_MAX = 16 * 1024;
/** The most manifests in one artifact. The largest published indexes have some dozens of platforms. */
const MANIFESTS_MAX = 1000;
/**
 * The most bytes of all manifests together, because the copy holds them in memory. The manifests of an index with 50
 * platforms and their attestations have some 500 KB.
 */
const MANIFESTS_BYTES_MAX = 32 * 1024 * 1024;
/** Error codes with which registries reject a manifest because its blobs or children are missing. */
const MISSING_CONTENT = new Set(['MANIFEST_BLOB_UNKNOWN', 'BLOB_UNKNOWN', 'MANIFEST_UNKNOWN']);

type Node = { descriptor: Descriptor; bytes: Buffer; document: Manifest | Index };
type CopyContext = { source: Source; target: Target; options: CopyOptions };

/**
 * Copies `root` and everything below it. Throws RegistryError if the copy fails or exceeds a limit. The error's `side` says
 * whether the source or the target failed. After an error, the copied content stays in the target, so that the next attempt
 * does not send it again.
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
    // The registry no longer has content that `mountFrom`, `isPresent` or `uploads` reported. So the copy is repeated without
    // these three.
    const { mountFrom: _told, isPresent: _known, uploads: _remembered, ...plain } = options;
    await copyBlobs({ source, target, options: plain }, blobs);
    await pushManifests(context, nodes);
  }
}

/**
 * Makes the artifact visible in a target that already has all its content. Returns false if the target does not support this,
 * or if content is missing.
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

/** Returns the root and all manifests and indexes below it. Each appears once, after its children. */
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

/**
 * Reads a manifest or index of a source. Throws RegistryError with side `source` if the read fails or the document is
 * invalid.
 */
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

/** Whether a layer must not be distributed. Such a layer is stored at its `urls` and not in a registry (descriptor.md). */
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
  return options.uploads === undefined || place === undefined || blob.size <= UNSHARED_BYTES_MAX
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
 * Whether source and target have the same bytes in a part of the blob, at a random position. If not, the caller sends the
 * whole blob, and the target checks its digest.
 */
async function hasSamePart(source: Source, target: Target, blob: Descriptor): Promise<boolean> {
  const start = randomInt(blob.size - UNCHECKED_BYTES_MAX);
  const range = { start, end: start + UNCHECKED_BYTES_MAX - 1 };
  const shown = await side('source', 'fetch blob', async () => await buffer(await source.fetch(blob, range)));
  const held = await side('target', 'read blob', async () => await buffer(await target.fetch(blob, range)));
  return shown.equals(held);
}

/**
 * Returns the bytes of a blob of the source. If the read fails, the error names the source, even if the target was reading
 * the bytes.
 */
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

/**
 * Runs an operation on one side of the copy and adds the side to its error. An error that already names the source stays
 * unchanged.
 */
async function side<Result>(end: RegistrySide, op: string, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    throw end === 'target' && error instanceof RegistryError ? error : onSide(error, end, op);
  }
}

/**
 * Checks that each reference in the target resolves to the root. Throws RegistryError READ_BACK if it resolves to another
 * digest or does not exist. In the second case the error is temporary, because some registries show a push only after some
 * time.
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
