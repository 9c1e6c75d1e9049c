// One file of an image, read from the layers without laying them out.
import type { ContentStore } from '../oci/content.ts';
import { uncompressed } from '../oci/layer-listing.ts';
import { baseName, parentOf } from '../tar/path.ts';
import { readTar } from '../tar/read.ts';
import { OPAQUE, WHITEOUT } from './layer-entries.ts';
import type { LayerPin } from './plan.ts';

/** No file that builds look at (package database, CA bundle, passwd) is larger. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;

/** The file's bytes as the topmost layer has them; undefined where it is not there or removed. Links in the path are not followed. */
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
  const whiteout = `${parentOf(path)}/${WHITEOUT}${baseName(path)}`;
  const hiding = new Set([whiteout, `${parentOf(path)}/${OPAQUE}`]);
  let result: 'removed' | 'absent' = 'absent';
  const stream = await content.open(layer.descriptor.digest);
  try {
    for await (const { header, body } of readTar(await uncompressed(stream), { lenient: true })) {
      if (hiding.has(header.path)) result = 'removed';
      if (header.path !== path) continue;
      if (header.type !== 'file' || header.size > FILE_BYTES_MAX) return 'removed';
      const parts: Buffer[] = [];
      for await (const part of body) parts.push(Buffer.from(part));
      return Buffer.concat(parts);
    }
    return result;
  } finally {
    stream.destroy();
  }
}
