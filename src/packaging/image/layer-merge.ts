// Merges several layers into one layer with the same effect (OCI image-spec, layer.md, "Applying Changesets"). The same
// layers always give the same bytes.
import type { ContentStore } from '../../content/content.ts';
import { type BuiltLayer, writeLayer } from '../../oci/layer.ts';
import { IMAGE_LIMITS, LAYER_READING } from '../../oci/layer-limits.ts';
import { uncompressed } from '../../oci/uncompressed.ts';
import type { LayerPin } from '../../plan/pin.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import type { TarEntry, TarHeader, TarInput } from '../../tar/entry.ts';
import { partsOf } from '../../tar/path.ts';
import { readTar } from '../../tar/read.ts';
import { OPAQUE, parseWhiteout, WHITEOUT } from '../../tar/whiteout.ts';

/** The combined effect of the layers on one path. */
type Node = {
  children: Map<string, Node>;
  /**
   * The last entry for this path: its header, its layer, and its position in the layer. Absent if the layers only have
   * entries below this path.
   */
  entry?: { header: TarHeader; layer: number; at: number };
  /** Whether the path is removed from the layers below. */
  removed: boolean;
  /** Whether the contents of this folder are removed from the layers below. */
  opaque: boolean;
};

/**
 * Merges layers, which are given from the lowest to the highest. Throws BuildError if there are more entries than an image
 * may have.
 */
export async function mergeLayers(content: ContentStore, layers: LayerPin[]): Promise<BuiltLayer> {
  const root = emptyNode();
  const links: TarHeader[][] = [];
  let count = 0;
  for (const [layer, pin] of layers.entries()) {
    const headers: TarHeader[] = [];
    for await (const { header } of entriesOf(content, pin)) {
      if (++count > IMAGE_LIMITS.entryCountMax) throw tooMany();
      headers.push(header);
    }
    lay(root, headers, layer);
    const own = new Set(headers.filter(({ type }) => type !== 'hardlink').map(({ path }) => path));
    links.push(headers.filter(({ type, target = '' }) => type === 'hardlink' && own.has(target)));
  }
  const rescued = links.map((found, layer) => rescuedLinks(root, found, layer));
  return await writeLayer(content, merged(content, { root, layers, rescued }));
}

function tooMany(): BuildError {
  const message = `The layers of the customizations cannot be merged: they have more than ${IMAGE_LIMITS.entryCountMax} entries.`;
  return new BuildError(message, { step: 'merged layers', cause_kind: 'BUILD_ERROR' });
}

async function* entriesOf(content: ContentStore, { descriptor }: LayerPin): AsyncGenerator<TarEntry, void> {
  const stream = await content.open(descriptor.digest);
  try {
    yield* readTar(await uncompressed(stream), LAYER_READING);
  } finally {
    stream.destroy();
  }
}

function emptyNode(): Node {
  return { children: new Map(), removed: false, opaque: false };
}

/** Adds one layer to the tree. A whiteout hides entries of lower layers, but never entries of its own layer. */
function lay(root: Node, headers: TarHeader[], layer: number): void {
  for (const { path } of headers) {
    const whiteout = parseWhiteout(path);
    if (whiteout?.kind === 'removed') {
      const node = nodeAt(root, whiteout.path);
      hideChildren(node);
      delete node.entry;
      Object.assign(node, { removed: true, opaque: false });
    } else if (whiteout?.kind === 'opaque') {
      const node = nodeAt(root, whiteout.path);
      hideChildren(node);
      node.opaque = true;
    }
  }
  for (const [at, header] of headers.entries()) {
    if (parseWhiteout(header.path) !== undefined) continue;
    const node = nodeAt(root, header.path);
    if (header.type !== 'folder') {
      hideChildren(node);
      node.opaque = false;
    } else if (node.removed || (node.entry !== undefined && node.entry.header.type !== 'folder')) {
      // The new folder replaces the old folder, so the contents of the old folder stay removed.
      node.opaque = true;
    }
    node.removed = false;
    node.entry = { header, layer, at };
  }
}

function hideChildren(node: Node): void {
  node.children = new Map();
}

/** Returns the node of a path, or creates it. If a folder above the path was removed, this folder becomes an empty folder. */
function nodeAt(root: Node, path: string): Node {
  let node = root;
  const parts = partsOf(path);
  for (const [index, part] of parts.entries()) {
    const next = node.children.get(part) ?? emptyNode();
    node.children.set(part, next);
    if (next.removed && index < parts.length - 1) {
      const entry = { header: { ...MARK, path: parts.slice(0, index + 1).join('/'), ...FOLDER }, layer: -1, at: -1 };
      Object.assign(next, { entry, removed: false, opaque: true });
    }
    node = next;
  }
  return node;
}

function findNode(root: Node, path: string): Node | undefined {
  let node: Node | undefined = root;
  for (const part of partsOf(path)) node = node?.children.get(part);
  return node;
}

/** Hard links that stay although a later layer replaced their file, by the path of the file. */
type RescuedLinks = ReadonlyMap<string, TarHeader[]>;

function rescuedLinks(root: Node, links: TarHeader[], layer: number): RescuedLinks {
  const rescued = new Map<string, TarHeader[]>();
  for (const link of links) {
    const { target = '' } = link;
    const isAlive = findNode(root, link.path)?.entry?.header === link;
    if (!isAlive || findNode(root, target)?.entry?.layer === layer) continue;
    rescued.set(target, [...(rescued.get(target) ?? []), link]);
  }
  return rescued;
}

type Merge = { root: Node; layers: LayerPin[]; rescued: RescuedLinks[] };

/**
 * Yields folders and whiteouts first, ordered by name. Then yields the other entries layer by layer, so that each layer is
 * read only once.
 */
async function* merged(content: ContentStore, { root, layers, rescued }: Merge): AsyncGenerator<TarInput, void> {
  yield* folders(root, '');
  for (const [layer, pin] of layers.entries()) {
    const saved = rescued[layer] ?? new Map<string, TarHeader[]>();
    let at = -1;
    for await (const { header, body } of entriesOf(content, pin)) {
      at += 1;
      if (header.type === 'folder' || parseWhiteout(header.path) !== undefined) continue;
      const entry = findNode(root, header.path)?.entry;
      const isAlive = entry?.layer === layer && entry.at === at;
      const [first, ...others] = saved.get(header.path) ?? [];
      if (isAlive && !isSaved(saved, header)) yield { header, body };
      else if (first !== undefined && header.type !== 'hardlink') {
        // The replaced file is written at the path of its first link. The other links point to this path.
        yield { header: { ...header, path: first.path }, body };
        for (const other of others) yield { header: { ...other, target: first.path } };
      }
    }
  }
}

function isSaved(saved: RescuedLinks, { type, path, target = '' }: TarHeader): boolean {
  return type === 'hardlink' && (saved.get(target)?.some((link) => link.path === path) ?? false);
}

function* folders(node: Node, path: string): Generator<TarInput, void> {
  const inside = (name: string): string => (path === '' ? name : `${path}/${name}`);
  if (node.entry?.header.type === 'folder') yield { header: node.entry.header };
  if (node.opaque) yield { header: { ...MARK, path: inside(OPAQUE) } };
  for (const name of [...node.children.keys()].sort()) {
    const child = node.children.get(name);
    if (child === undefined) continue;
    if (child.removed) yield { header: { ...MARK, path: inside(`${WHITEOUT}${name}`) } };
    yield* folders(child, inside(name));
  }
}

const FOLDER = { type: 'folder', mode: 0o755 } as const;
const MARK: TarHeader = { path: '', type: 'file', mode: 0o644, uid: 0, gid: 0, size: 0, mtime: 0 };
