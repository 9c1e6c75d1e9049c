// Builds the layer of a customization's files. Reads its archive a second time as a stream, without a sandbox and without
// extracting it.
import { createHash } from 'node:crypto';
import type { ContentStore } from '../../content/content.ts';
import { readArchive } from '../../customization/archive.ts';
import { Accounts, composeBundle } from '../../customization/composed.ts';
import { CustomizationError } from '../../customization/errors.ts';
import { walkPath } from '../../customization/image-paths.ts';
import type { HookName, Inspection } from '../../customization/inspection.ts';
import { COMPOSED, type Composed, type Placed, placeCustomization } from '../../customization/placement.ts';
import type { Digest } from '../../oci/descriptor.ts';
import { type BuiltLayer, writeLayer } from '../../oci/layer.ts';
import type { TarEntry, TarInput } from '../../tar/entry.ts';
import type { MergedListing } from '../../tar/listing-entry.ts';

export type FilesLayerInput = {
  content: ContentStore;
  /** The digest of the uploaded archive. */
  archive: Digest;
  inspection: Inspection;
  /** The files of the image below this layer. */
  below: MergedListing;
  /** The time in seconds since 1970 that entries without a time get. A later time also becomes this time. */
  epoch: number;
  /** Returns the bytes of a file of the image by its path in the listing. Returns undefined if the image has no such file. */
  readBelow: (path: string) => Promise<Buffer | undefined>;
  /**
   * Returns the layer of these inputs from a cache, or builds it. A cache helps, because a customization gives the same layer
   * on most images.
   */
  reuse?: (inputs: object, make: () => Promise<BuiltLayer>) => Promise<BuiltLayer | undefined>;
};

export type FilesLayer = {
  /** Absent if the customization has no files, certificates or users. */
  layer?: BuiltLayer;
  /** Variables and labels for the image's config. */
  image: { environment: Record<string, string>; labels: Record<string, string> };
};

/**
 * Builds the layer. Its diffID depends only on the archive and on these parts of the image: the folders above the files, the
 * certificate bundle, and the users. Throws CustomizationError if the customization does not fit the image.
 */
export async function buildFilesLayer(input: FilesLayerInput): Promise<FilesLayer> {
  const { environment, labels } = input.inspection.declaration;
  const image = { environment, labels };
  const placed = placeCustomization(input.inspection, input.below);
  if (placed.length === 0) return { image };
  const accounts = await readAccounts(input);
  const finished: Finished = {
    placed,
    epoch: input.epoch,
    accounts,
    composed: await compose(input, { placed, accounts }),
  };
  const make = () => writeFilesLayer(input, finished);
  const layer = await (input.reuse === undefined ? make() : input.reuse(inputsOf(input, finished), make));
  return { ...(layer !== undefined && { layer }), image };
}

async function writeFilesLayer(input: FilesLayerInput, finished: Finished): Promise<BuiltLayer> {
  const fromArchive = finished.placed.some(isArchivedFile);
  const archived = fromArchive ? readArchive(await input.content.open(input.archive)) : [];
  return await writeLayer(input.content, layerEntries(archived, finished));
}

/**
 * The inputs that determine the layer's bytes: the archive, the paths and owners of its entries in this image, and generated
 * texts.
 */
function inputsOf({ archive, epoch }: FilesLayerInput, finished: Finished): object {
  return {
    kind: 'customization',
    stage: 'files',
    archive,
    epoch,
    placed: finished.placed.map((one) => [one.origin, headerOf(one, finished)]),
    composed: [...finished.composed].map(([path, bytes]) => [path, createHash('sha256').update(bytes).digest('hex')]),
  };
}

/** Returns the bytes of the scripts, which run in the sandbox. */
export async function readHooks({
  content,
  archive,
  inspection,
}: Pick<FilesLayerInput, 'content' | 'archive' | 'inspection'>): Promise<Map<HookName, Buffer>> {
  const hooks = new Map<HookName, Buffer>();
  if (inspection.hooks.length === 0) return hooks;
  for await (const { header, body } of readArchive(await content.open(archive))) {
    const hook = inspection.hooks.find(({ path }) => path === header.path);
    if (hook === undefined) continue;
    const parts: Uint8Array[] = [];
    for await (const part of body) parts.push(part);
    hooks.set(hook.name, Buffer.concat(parts));
  }
  return hooks;
}

/** The paths of the entries in the image, and everything that was read from the image. */
type Finished = { placed: Placed[]; epoch: number; accounts: Accounts; composed: Map<string, Buffer> };

/** Returns users and groups of the image. Reads them only if the customization names an owner or adds a user. */
async function readAccounts({ inspection, below, readBelow }: FilesLayerInput): Promise<Accounts> {
  const { files, users } = inspection.declaration;
  const byName = files.some(({ user, group }) => typeof user === 'string' || typeof group === 'string');
  if (users.length === 0 && !byName) return new Accounts('', '');
  const lookup = (path: string) => below.get(path);
  const read = (what: Composed) => readText(walkPath(COMPOSED[what], { lookup, last: 'follow' }), { below, readBelow });
  const accounts = new Accounts(await read('passwd'), await read('group'));
  for (const user of users) accounts.add(user);
  return accounts;
}

/** Reads a file as Latin-1, which keeps every byte, because names in old files may have any charset. */
async function readText(
  path: string,
  { below, readBelow }: Pick<FilesLayerInput, 'below' | 'readBelow'>,
): Promise<string> {
  return below.has(path) ? ((await readBelow(path))?.toString('latin1') ?? '') : '';
}

async function compose(
  input: FilesLayerInput,
  { placed, accounts }: { placed: Placed[]; accounts: Accounts },
): Promise<Map<string, Buffer>> {
  const texts: Record<Composed, (path: string) => Promise<string>> = {
    bundle: async (path) => composeBundle(await readText(path, input), input.inspection.certificates),
    passwd: async () => accounts.passwd,
    group: async () => accounts.group,
  };
  const composed = new Map<string, Buffer>();
  for (const { path, origin } of placed) {
    if (origin.from === 'composed') composed.set(path, Buffer.from(await texts[origin.what](path), 'latin1'));
  }
  return composed;
}

/** Yields the placed entries in their order. This is the order of the archive, so one pass over the archive is enough. */
async function* layerEntries(
  archived: AsyncIterable<TarEntry> | Iterable<TarEntry>,
  finished: Finished,
): AsyncGenerator<TarInput, void> {
  const { placed } = finished;
  const files = new Set(
    placed.flatMap(({ origin, type }) => (origin.from === 'archive' && type === 'file' ? [origin.path] : [])),
  );
  let next = 0;
  for await (const entry of archived) {
    if (!files.has(entry.header.path)) continue;
    for (let thing = placed[next]; thing !== undefined && !isArchivedFile(thing); thing = placed[next]) {
      yield made(thing, finished);
      next += 1;
    }
    yield fromArchive(placed[next], entry, finished);
    next += 1;
  }
  for (const thing of placed.slice(next)) yield made(thing, finished);
}

function isArchivedFile({ origin, type }: Placed): boolean {
  return origin.from === 'archive' && type === 'file';
}

function fromArchive(placed: Placed | undefined, { header, body }: TarEntry, finished: Finished): TarInput {
  if (placed?.origin.from !== 'archive' || placed.origin.path !== header.path || placed.size !== header.size) {
    throw new CustomizationError(
      'ARCHIVE_CHANGED',
      `the archive differs from the one that was inspected: ${header.path}`,
    );
  }
  const mtime = Math.max(0, Math.min(header.mtime, finished.epoch));
  return { header: { ...headerOf(placed, finished), size: header.size, mtime }, body };
}

/** Returns an entry that needs no bytes of the archive: a folder, a link or a generated text. */
function made(placed: Placed, finished: Finished): TarInput {
  const { origin, path } = placed;
  if (isArchivedFile(placed))
    throw new CustomizationError('ARCHIVE_CHANGED', `the archive no longer has a file for /${path}`, path);
  const bytes = origin.from === 'text' ? Buffer.from(origin.text) : finished.composed.get(path);
  const header = headerOf(placed, finished);
  return bytes === undefined ? { header } : { header: { ...header, size: bytes.length }, body: [bytes] };
}

function headerOf(
  { path, type, mode, user, group, target }: Placed,
  { epoch, accounts }: Finished,
): TarInput['header'] {
  const owner = { uid: accounts.userId(user), gid: accounts.groupId(group) };
  return { path, type, mode, ...owner, size: 0, mtime: epoch, ...(target === undefined ? {} : { target }) };
}
