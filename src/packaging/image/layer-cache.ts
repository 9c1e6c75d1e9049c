// A cache of built layers, by the inputs that determine them.
import type { ContentStore } from '../../content/content.ts';
import type { Digest } from '../../contract/vocabulary.ts';
import { MEDIA_TYPES } from '../../oci/descriptor.ts';
import type { BuiltLayer } from '../../oci/layer.ts';
import { describeBytes, encodeDocument } from '../../oci/manifest.ts';
import type { BuildLog } from '../../sandbox/build-log.ts';
import type { Exclusive } from '../../sandbox/exclusive.ts';

/** Stores which layer was built from which inputs. If an entry is lost, the layer is built again with the same result. */
export type LayerCache = {
  get(key: Digest): Promise<BuiltLayer | undefined>;
  set(key: Digest, layer: BuiltLayer): Promise<void>;
};

/** Increase this number if a change of the engine gives other layers for the same inputs. */
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
 * Returns the layer of these inputs from the cache if its content still exists, and otherwise builds it. Concurrent builds of
 * the same layer wait for each other, so that the second build finds the layer of the first. If the first build fails, the
 * second one builds the layer. If a build returns no layer because nothing changed, this result is not cached.
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
    log.say(reuseLine(step, known));
    return known;
  }
  const layer = await buildIt();
  if (layer !== undefined) await cache.set(key, layer);
  return layer;
}

function reuseLine(step: string, { diff_id }: BuiltLayer): string {
  return `${step}: reusing the layer ${diff_id} of an earlier build with the same inputs`;
}
