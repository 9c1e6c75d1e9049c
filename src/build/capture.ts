// The changes of a sandbox as a layer: overlayfs's own marks become OCI's, times are clamped, leftovers stay out (OCI image-spec, layer.md).
import type { ContentStore } from '../oci/content.ts';
import { type BuiltLayer, writeLayer } from '../oci/layer.ts';
import type { TarEntry, TarHeader, TarInput } from '../tar/entry.ts';
import type { MergedListing } from '../tar/listing.ts';
import { baseName, parentOf } from '../tar/path.ts';
import { readTar } from '../tar/read.ts';
import { BuildError } from './build-error.ts';
import { CAPABILITY_ATTRIBUTE, OPAQUE, OPAQUE_ATTRIBUTE, WHITEOUT } from './layer-entries.ts';
import { type LeftoverRules, withoutLeftovers } from './leftovers.ts';
import { pathMatcher } from './path-pattern.ts';
import type { Sandbox } from './sandbox.ts';

export type CaptureOptions = LeftoverRules & {
  /** Ceiling for times, in seconds since 1970. */
  epoch: number;
  /** For the message when the changes cannot be a layer. */
  step: string;
  /** What lower layers hold; without it every folder that overlayfs calls opaque is marked so. */
  below?: MergedListing;
  /** The bytes of these files are handed over as they pass, by path. */
  watch?: { paths: readonly string[]; onFile: (path: string, bytes: Buffer) => Promise<void> | void };
};

/**
 * Puts what a sandbox changed into the store as a layer; the same changes give the same diffID. Undefined when nothing changed.
 * Throws BuildError for names that mean something else in a layer and for hard links to a file that was left out.
 */
export async function captureLayer(
  content: ContentStore,
  sandbox: Pick<Sandbox, 'capture'>,
  options: CaptureOptions,
): Promise<BuiltLayer | undefined> {
  return await layerFromTree(content, readTar(sandbox.capture()), options);
}

/** The same for any tar of a whole tree. */
export async function layerFromTree(
  content: ContentStore,
  tree: AsyncIterable<TarEntry>,
  options: CaptureOptions,
): Promise<BuiltLayer | undefined> {
  let changes = 0;
  const entries = watched(whole(withoutLeftovers(layerEntries(tree, options), options), options), options.watch);
  const counted = async function* (): AsyncGenerator<TarInput, void> {
    for await (const entry of entries) {
      if (!isSameFolder(entry.header, options.below)) changes++;
      yield entry;
    }
  };
  const layer = await writeLayer(content, counted());
  return changes === 0 ? undefined : layer;
}

/** overlayfs copies the folders above a change; they are as they were. */
function isSameFolder({ path, type, mode, uid, gid }: TarHeader, below: MergedListing | undefined): boolean {
  const before = below?.get(path);
  return type === 'folder' && before?.type === type && before.mode === mode && before.uid === uid && before.gid === gid;
}

async function* layerEntries(
  tree: AsyncIterable<TarEntry>,
  { epoch, step, below }: CaptureOptions,
): AsyncGenerator<TarInput, void> {
  for await (const { header: found, body } of tree) {
    // The root itself: every engine makes it, and its name would have to be `./`.
    if (found.path === '') continue;
    const { xattrs, ...rest } = found;
    const header: TarHeader = { ...rest, mtime: Math.min(found.mtime, epoch) };
    if (found.path.split('/').some((name) => name.startsWith(WHITEOUT))) {
      throw new BuildError(`${found.path}: names that begin with ${WHITEOUT} mean a removed file in an image.`, {
        step,
        cause_kind: 'BUILD_ERROR',
      });
    }
    if (isWhiteout(found)) {
      yield marker(header, `${WHITEOUT}${baseName(found.path)}`, parentOf(found.path));
      continue;
    }
    // A sandbox cannot make devices; a base image's archive may hold those of /dev, which nobody keeps in an image.
    if (found.type === 'character' || found.type === 'block') continue;
    const capability = xattrs?.[CAPABILITY_ATTRIBUTE];
    yield {
      header: capability === undefined ? header : { ...header, xattrs: { [CAPABILITY_ATTRIBUTE]: capability } },
      body,
    };
    // overlayfs calls every new folder opaque; the mark says something only where there is a folder to hide.
    const hides = below === undefined || below.get(found.path)?.type === 'folder';
    if (hides && xattrs?.[OPAQUE_ATTRIBUTE]?.toString('latin1') === 'y') yield marker(header, OPAQUE, found.path);
  }
}

function isWhiteout({ type, major, minor }: TarHeader): boolean {
  return type === 'character' && major === 0 && minor === 0;
}

function marker({ mtime }: TarHeader, name: string, folder: string): TarInput {
  const path = folder === '' ? name : `${folder}/${name}`;
  return { header: { path, type: 'file', mode: 0o644, uid: 0, gid: 0, size: 0, mtime } };
}

/** A hard link whose file was left out would point at nothing. */
async function* whole(entries: AsyncIterable<TarInput>, { step }: CaptureOptions): AsyncGenerator<TarInput, void> {
  const files = new Set<string>();
  for await (const entry of entries) {
    const { path, type, target } = entry.header;
    if (type === 'file') files.add(path);
    if (type === 'hardlink' && !files.has(target ?? '')) {
      throw new BuildError(`${path} is a hard link to ${target}, which an image may not hold.`, {
        step,
        cause_kind: 'BUILD_ERROR',
      });
    }
    yield entry;
  }
}

async function* watched(
  entries: AsyncIterable<TarInput>,
  watch: CaptureOptions['watch'],
): AsyncGenerator<TarInput, void> {
  const wanted = pathMatcher(watch?.paths ?? []);
  for await (const entry of entries) {
    if (watch === undefined || entry.header.type !== 'file' || !wanted(entry.header.path)) {
      yield entry;
      continue;
    }
    const parts: Buffer[] = [];
    for await (const part of entry.body ?? []) parts.push(Buffer.from(part));
    const bytes = Buffer.concat(parts);
    await watch.onFile(entry.header.path, bytes);
    yield { header: entry.header, body: [bytes] };
  }
}
