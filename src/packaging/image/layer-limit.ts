// How many layers an image may have: past that the oldest layers of customizations are merged, in groups that stay the same while more are added.
import type { Digest } from '../../contract/vocabulary.ts';
import type { ImageLayer } from './image.ts';
import { type CacheContext, cachedLayer } from './layer-cache.ts';
import { mergeLayers } from './layer-merge.ts';

/** Docker accepts 125 layers (its maxLayerDepth); 25 of them are left for images that are built on this one. */
export const IMAGE_LAYERS_MAX = 100;
/** Room for the product's layer and for one into which all customization layers are merged. */
export const BASE_LAYERS_MAX = IMAGE_LAYERS_MAX - 2;
/** One more customization past the limit changes one group at most, so registries hold the others already. */
const GROUP_SIZE = 25;

/**
 * How many groups of which size the oldest of `count` layers are merged into, so that at most `capacity` are left. Layers that do not fill
 * the last group make it smaller.
 */
export function mergeGroups(count: number, capacity: number): { groups: number; size: number } {
  const size = Math.max(GROUP_SIZE, Math.ceil(count / capacity));
  return { groups: count <= capacity ? 0 : Math.ceil((count - capacity) / (size - 1)), size };
}

/** The layers of an image within the limit. `below` are those of the base image and the application, which stay as they are. */
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
    `${below.length + customizations.length} layers are more than the ${IMAGE_LAYERS_MAX} of an image: the oldest ${count} of customizations are merged into ${groups}`,
  );
  const layers: ImageLayer[] = [];
  for (let start = 0; start < count; start += size) {
    const group = customizations.slice(start, Math.min(start + size, count));
    const inputs = { kind: 'merged', layers: group.map(({ diff_id }): Digest => diff_id) };
    const layer = await cachedLayer({ ...context, step: 'merged layers' }, inputs, () => mergeLayers(content, group));
    if (layer === undefined) throw new Error('Merged layers are a layer');
    layers.push({ diff_id: layer.diff_id, descriptor: layer.descriptor, created_by: mergedNames(group) });
  }
  return [...below, ...layers, ...customizations.slice(count)];
}

function mergedNames(group: ImageLayer[]): string {
  return `merged: ${group.length} layers, ${group[0]?.created_by} to ${group.at(-1)?.created_by}`;
}
