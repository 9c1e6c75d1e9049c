// build(plan) → artifact. Builds the base image, the application and each customization as separate layers, and then the
// config, manifest and index.
import type { Digest } from '../../contract/vocabulary.ts';
import type { Inspection } from '../../customization/inspection.ts';
import { readImageConfig } from '../../oci/image-config.ts';
import type { BuiltLayer } from '../../oci/layer.ts';
import type { Artifact } from '../../plan/artifact.ts';
import type { ImagePlan } from '../../plan/image-plan.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import { type BuildLog, type LogSink, openBuildLog } from '../../sandbox/build-log.ts';
import type { Workspace } from '../../sandbox/workspace.ts';
import { buildApplicationLayer, hasApplicationLayer } from './application-layer.ts';
import { readBaseListing } from './base-listings.ts';
import { ChainListing } from './chain-listing.ts';
import { buildCustomization, customizationStep } from './customization-layers.ts';
import { type ImageLayer, writeImage } from './image.ts';
import { imageConfig, readEnvironment } from './image-config.ts';
import { DPKG_STATUS, fileDigest, type ImageState, withLayer } from './image-files.ts';
import { cachedLayer, type LayerCache } from './layer-cache.ts';
import { withinLayerLimit } from './layer-limit.ts';

export type BuildOptions = {
  workspace: Workspace;
  /** Receives the log, which has at most LOG_BYTES_MAX bytes. */
  log: LogSink;
  signal?: AbortSignal | undefined;
  layers: LayerCache;
  /** Inspections of the plan's customizations, by the digest of the archive. */
  inspections: ReadonlyMap<Digest, Inspection>;
  /** Names of the plan's customizations by id, for messages and the log. A customization may have no name. */
  names: ReadonlyMap<string, string>;
};

/**
 * Builds the image of a plan and stores it. The same plan gives the same diffIDs and the same index digest. Throws BuildError
 * for a fault that a person must correct. After any other error, the build can be retried.
 */
export async function build(plan: ImagePlan, options: BuildOptions): Promise<Artifact> {
  const { workspace, signal } = options;
  const { content } = workspace;
  const log = openBuildLog(options.log);
  log.say(`${plan.product.name} ${plan.product.version} on ${plan.base.name}@${plan.base.digest}`);
  const base = await readImageConfig(content, plan.base.config.digest);
  const below: ImageLayer[] = plan.base.layers.map((layer) => ({
    ...layer,
    created_by: `base image ${plan.base.name}`,
  }));
  let image: ImageState = {
    layers: plan.base.layers,
    listing: await readBaseListing(content, plan.base.listing),
    chain: new ChainListing(content),
  };
  const application = await applicationLayer(plan, image, { ...options, log });
  if (application !== undefined) {
    below.push({ ...application, created_by: `${plan.product.key} ${plan.product.version}` });
    image = await withLayer(content, image, application);
  }
  const customizations: ImageLayer[] = [];
  let environment = { ...readEnvironment(base), ...plan.image.environment };
  let labels: Record<string, string> = {};
  for (const pin of plan.customizations) {
    const inspection = options.inspections.get(pin.digest);
    if (inspection === undefined) throw new Error(`missing inspection of the archive ${pin.digest}`);
    const done = await buildCustomization({
      workspace,
      log,
      signal,
      pin,
      epoch: plan.epoch,
      name: options.names.get(pin.id),
      inspection,
      image,
      environment,
      settings: plan.image,
      cache: options.layers,
    });
    customizations.push(...done.layers.map((layer) => ({ ...layer, created_by: customizationStep(pin) })));
    image = done.image;
    environment = { ...environment, ...done.environment };
    labels = { ...labels, ...done.labels };
  }
  const { exclusive } = workspace;
  const finished = await withinLayerLimit(
    { below, customizations },
    { cache: options.layers, content, exclusive, log, signal },
  );
  const written = await writeImage(content, {
    platform: plan.platform,
    layers: finished,
    epoch: plan.epoch,
    ...imageConfig(plan, { base, environment, labels }),
  });
  const packages = await fileDigest(content, image, DPKG_STATUS);
  log.say(`finished: ${written.index.digest}`);
  const { index, config, platform, manifest } = written;
  const blobs = [config, ...finished.map(({ descriptor }) => descriptor)];
  return {
    format: 1,
    packaging_type: plan.packaging_type,
    roots: { all: { descriptor: index, content: config, parts: [{ platform, manifest, blobs }] } },
    component_sources: packages === undefined ? [] : [{ format: 'DPKG_STATUS', digest: packages }],
    reports: [],
  };
}

async function applicationLayer(
  plan: ImagePlan,
  base: ImageState,
  { workspace, signal, layers, log }: Omit<BuildOptions, 'log'> & { log: BuildLog },
): Promise<BuiltLayer | undefined> {
  if (!hasApplicationLayer(plan)) return undefined;
  if (plan.platform.architecture !== (process.arch === 'x64' ? 'amd64' : process.arch)) {
    throw new BuildError(`This worker builds for ${process.arch} and cannot build for ${plan.platform.architecture}.`, {
      step: 'application',
      cause_kind: 'BUILD_ERROR',
    });
  }
  const { user } = plan.image;
  const inputs = {
    kind: 'application',
    below: plan.base.layers.map(({ diff_id }) => diff_id),
    packages: plan.packages.map(({ digest }) => digest),
    files: plan.files,
    folders: plan.folders,
    links: plan.links,
    remove: plan.remove,
    user,
    epoch: plan.epoch,
  };
  const { content, exclusive } = workspace;
  return await cachedLayer({ cache: layers, content, exclusive, log, step: 'application', signal }, inputs, () =>
    buildApplicationLayer(plan, base, { workspace, log, signal }),
  );
}
