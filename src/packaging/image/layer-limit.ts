// The limit of layers in an image. Above it, the oldest customization layers are merged, in groups that stay the same when layers are
// added.
import type { Digest } from '../../contract/vocabulary.ts';
import type { ImageLayer } from './image.ts';
import { type CacheContext, cachedLayer } from './layer-cache.ts';
import { mergeLayers } from './layer-merge.ts';

/** Docker accepts 125 layers (maxLayerDepth); 25 are left for images that are built on this one. */
export const IMAGE_LAYERS_MAX = 100;
/** A base image of this size leaves two layers: one for the product and one for all customization layers, merged. */
export const BASE_LAYERS_MAX = IMAGE_LAYERS_MAX - 2;
/** Layers are merged in groups of this size: one more customization changes at most one group, and registries already have the others. */
const GROUP_SIZE = 25;

/**
 * Returns the number and size of the groups into which the oldest of `count` layers are merged, so that at most `capacity` are left. The
 * last group may be smaller.
 */
export function mergeGroups(count: number, capacity: number): { groups: number; size: number } {
  const size = Math.max(GROUP_SIZE, Math.ceil(count / capacity));
  return { groups: count <= capacity ? 0 : Math.ceil((count - capacity) / (size - 1)), size };
}

/** Returns the layers of an image within the limit. `below` are those of the base image and the application, which stay unchanged. */
export async function withinLayerLimit(
  { below, customizations }: { below: ImageLayer[]; customizations: ImageLayer[] },
  context: Omit<CacheContext, 'step'>,
): Promise<ImageLayer[]> {
  const { content, log } = context;
  const capacity = Math.max(1, IMAGE_LAYERS_MAX - below.length);
  const { groups, size } = mergeGroups(customizations.length, capacity);
  if (groups === 0) return [...below, ...customizations];
  const count = Math.min(groups * size, customizations.length);
  log.say(
    `${below.length + customizations.length} layers exceed the limit of ${IMAGE_LAYERS_MAX}: the oldest ${count} customization layers are merged into ${groups} layers`,
  );
  const layers: ImageLayer[] = [];
  for (let start = 0; start < count; start += size) {
    const group = customizations.slice(start, Math.min(start + size, count));
    const inputs = { kind: 'merged', layers: group.map(({ diff_id }): Digest => diff_id) };
    const layer = await cachedLayer({ ...context, step: 'merged layers' }, inputs, () => mergeLayers(content, group));
    if (layer === undefined) throw new Error('The merge of layers returned no layer');
    layers.push({ diff_id: layer.diff_id, descriptor: layer.descriptor, created_by: mergedNames(group) });
  }
  return [...below, ...layers, ...customizations.slice(count)];
}

function mergedNames(group: ImageLayer[]): string {
  return `merged: ${group.length} layers, ${group[0]?.created_by} to ${group.at(-1)?.created_by}`;
}
