// Layers that were built already, by everything that went into them.
import type { ContentStore } from '../../content/content.ts';
import type { Digest } from '../../contract/vocabulary.ts';
import { MEDIA_TYPES } from '../../oci/descriptor.ts';
import type { BuiltLayer } from '../../oci/layer.ts';
import { describeBytes, encodeDocument } from '../../oci/manifest.ts';
import type { BuildLog } from '../../sandbox/build-log.ts';
import type { Exclusive } from '../../sandbox/exclusive.ts';

/** Where layers are remembered; a memory that forgets is slow, never wrong. */
export type LayerCache = {
  get(key: Digest): Promise<BuiltLayer | undefined>;
  set(key: Digest, layer: BuiltLayer): Promise<void>;
};

/** Counted up when the same inputs give other layers, because the engine does something else with them. */
const ENGINE_FORMAT = 1;

export type CacheContext = {
  cache: LayerCache;
  content: ContentStore;
  exclusive: Exclusive;
  log: BuildLog;
  step: string;
  signal?: AbortSignal | undefined;
};

/**
 * The layer of these inputs, from the cache when its content is still there, or built. Builds that want the same layer at the same
 * time do one after the other, so that the others find what the first made; when that one fails, the next builds. A build that changed
 * nothing is not remembered.
 */
export async function cachedLayer(
  context: CacheContext,
  inputs: object,
  buildIt: () => Promise<BuiltLayer | undefined>,
): Promise<BuiltLayer | undefined> {
  const key = describeBytes(MEDIA_TYPES.config, encodeDocument({ format: ENGINE_FORMAT, ...inputs })).digest;
  return await context.exclusive(`layer ${key}`, () => findOrBuild(context, key, buildIt), context.signal);
}

async function findOrBuild(
  { cache, content, log, step }: CacheContext,
  key: Digest,
  buildIt: () => Promise<BuiltLayer | undefined>,
): Promise<BuiltLayer | undefined> {
  const known = await cache.get(key);
  if (known !== undefined && (await content.touch(known.descriptor.digest)) && (await content.touch(known.listing))) {
    log.say(sameBefore(step, known));
    return known;
  }
  const layer = await buildIt();
  if (layer !== undefined) await cache.set(key, layer);
  return layer;
}

function sameBefore(step: string, { diff_id }: BuiltLayer): string {
  return `${step}: the same was built before; its layer ${diff_id} is used again`;
}
