// Reads one file of an image from its layers, without extracting the layers.
import type { ContentStore } from '../../content/content.ts';
import { LAYER_READING } from '../../oci/layer-limits.ts';
import { uncompressed } from '../../oci/uncompressed.ts';
import type { LayerPin } from '../../plan/pin.ts';
import { readTar } from '../../tar/read.ts';
import { parseWhiteout } from '../../tar/whiteout.ts';
import { checkImageFile } from './image-file-limits.ts';

const STEP = 'image files';

/**
 * Returns the bytes of a file from the topmost layer that contains it. Returns undefined if the file is missing or was
 * removed. Does not follow links in the path. Throws BuildError if the file is too large.
 */
export async function readImageFile(
  content: ContentStore,
  { layers, path }: { layers: LayerPin[]; path: string },
): Promise<Buffer | undefined> {
  for (const layer of layers.toReversed()) {
    const found = await findInLayer(content, layer, path);
    if (found !== 'absent') return found === 'removed' ? undefined : found;
  }
  return undefined;
}

async function findInLayer(
  content: ContentStore,
  layer: LayerPin,
  path: string,
): Promise<Buffer | 'removed' | 'absent'> {
  let result: Buffer | 'removed' | 'absent' = 'absent';
  const stream = await content.open(layer.descriptor.digest);
  try {
    for await (const { header, body } of readTar(await uncompressed(stream), LAYER_READING)) {
      const whiteout = parseWhiteout(header.path);
      if (result === 'absent' && whiteout !== undefined && 'path' in whiteout && hides(whiteout.path, path))
        result = 'removed';
      if (header.path !== path) continue;
      // If a layer has two entries for the path, the last entry counts, as in the layer's listing.
      result = 'removed';
      if (header.type !== 'file') continue;
      checkImageFile(header, STEP);
      const parts: Buffer[] = [];
      for await (const part of body) parts.push(Buffer.from(part));
      result = Buffer.concat(parts);
    }
    return result;
  } finally {
    stream.destroy();
  }
}

/** Whether a removed path is this path or a folder above it. */
function hides(marked: string, path: string): boolean {
  return marked === '' || path === marked || path.startsWith(`${marked}/`);
}

/**
 * Yields the bytes of a file of any size from the layers. For a hard link, yields the bytes of the linked file. Yields
 * nothing for a missing file, because callers have already found the file in the listing.
 */
export async function* imageFileBytes(
  content: ContentStore,
  { layers, path }: { layers: LayerPin[]; path: string },
): AsyncGenerator<Uint8Array, void> {
  for (const [index, layer] of [...layers.entries()].reverse()) {
    const stream = await content.open(layer.descriptor.digest);
    try {
      for await (const { header, body } of readTar(await uncompressed(stream), LAYER_READING)) {
        if (header.path !== path) continue;
        if (header.type === 'file') yield* body;
        else if (header.target !== undefined && header.type === 'hardlink')
          yield* imageFileBytes(content, { layers: layers.slice(0, index + 1), path: header.target });
        return;
      }
    } finally {
      stream.destroy();
    }
  }
}
