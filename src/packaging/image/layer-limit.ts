// Keeps an image within the limit of layers. Merges its oldest customization layers in groups. The groups stay the same when
// layers are added.
import type { Digest } from '../../contract/vocabulary.ts';
import type { ImageLayer } from './image.ts';
import { type CacheContext, cachedLayer } from './layer-cache.ts';
import { mergeLayers } from './layer-merge.ts';

/**
 * The most layers of an image. Docker accepts 125 (maxLayerDepth), so an image that is built on this one can add 25 layers.
 */
export const IMAGE_LAYERS_MAX = 100;
/**
 * The most layers of a base image. The limit of an image then still allows one layer for the product, and one layer in which
 * all customization layers are merged.
 */
export const BASE_LAYERS_MAX = IMAGE_LAYERS_MAX - 2;
/**
 * The number of layers that are merged into one. The groups are fixed, so one more customization changes at most one group.
 * Registries already have the other groups.
 */
const GROUP_SIZE = 25;

/**
 * Returns the number and the size of the groups to merge, so that `count` layers become at most `capacity`. The groups
 * contain the oldest layers. The last group may be smaller.
 */
export function mergeGroups(count: number, capacity: number): { groups: number; size: number } {
  const size = Math.max(GROUP_SIZE, Math.ceil(count / capacity));
  return { groups: count <= capacity ? 0 : Math.ceil((count - capacity) / (size - 1)), size };
}

/**
 * Returns the layers of an image, and merges some if there are too many. `below` are the layers of the base image and the
 * application, which are never merged.
 */
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
