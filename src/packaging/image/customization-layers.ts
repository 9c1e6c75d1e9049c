// Builds the layers of a customization: one for the changes of its packages and first scripts, one for its files, and one for
// the changes of its last script.
import { CustomizationError } from '../../customization/errors.ts';
import type { HookName, Inspection } from '../../customization/inspection.ts';
import { customizationTitle } from '../../customization/title.ts';
import { warningLine } from '../../customization/warnings.ts';
import type { BuiltLayer } from '../../oci/layer.ts';
import type { CustomizationPin } from '../../plan/pin.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import type { BuildLog } from '../../sandbox/build-log.ts';
import { openSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { disposable, type LayerContext } from './application-layer.ts';
import { captureLayer } from './capture.ts';
import { buildFilesLayer, readHooks } from './customization-layer.ts';
import { openGivenFolder } from './given-folder.ts';
import { canTrace, giveHook, HookFailed, type HookRun, hookError, runHook, traceHook } from './hook.ts';
import { bytesOf } from './image.ts';
import { type ImageState, KEPT_FILES, readFileOf, withLayer } from './image-files.ts';
import { type LossInput, listLosses } from './image-losses.ts';
import { type CacheContext, cachedLayer, type LayerCache } from './layer-cache.ts';
import { givePackages, installPackages } from './packages.ts';
import { prepareRoots } from './rootfs.ts';

export type CustomizationInput = LayerContext & {
  pin: CustomizationPin;
  /** The epoch of the plan, in seconds since 1970. */
  epoch: number;
  /** The customization's name. Absent if its author gave it none. */
  name?: string | undefined;
  inspection: Inspection;
  /** The image on which the customization is built. */
  image: ImageState;
  /** The variables of this image. */
  environment: Record<string, string>;
  /** The program and the user of the image. Both must still exist after the customization. */
  settings: LossInput['settings'];
  cache: LayerCache;
};

export type CustomizationResult = {
  image: ImageState;
  /** The layers that the customization added, in order. */
  layers: BuiltLayer[];
  environment: Record<string, string>;
  labels: Record<string, string>;
};

/**
 * Returns the text of the step in the image's history. The text omits the customization's name, because the name may change
 * and the same plan must give the same image.
 */
export function customizationStep({ id, version }: CustomizationPin): string {
  return `customization ${id} v${version}`;
}

/** Adds one customization to an image. Throws BuildError CUSTOMIZATION_BUILD_ERROR if the fault is in the customization. */
export async function buildCustomization(input: CustomizationInput): Promise<CustomizationResult> {
  const step = customizationTitle(input.pin, input.name);
  try {
    return await buildStages(input, step);
  } catch (error) {
    throw asItsFault(error, { step, customization: { id: input.pin.id, version: input.pin.version } });
  }
}

/**
 * Converts an error to a BuildError that names the customization. Such an error occurs, for example, if scripts left files
 * that no layer can contain.
 */
function asItsFault(error: unknown, of: { step: string; customization: { id: string; version: number } }): unknown {
  const cause_kind = 'CUSTOMIZATION_BUILD_ERROR';
  if (error instanceof CustomizationError) return new BuildError(error.message, { ...of, cause_kind, cause: error });
  if (!(error instanceof BuildError)) return error;
  if (error.cause_kind === 'BUILD_ERROR') return new BuildError(error.message, { ...of, cause_kind, cause: error });
  // The error of a script already names its step, so this step stays.
  return new BuildError(error.message, { ...of, step: error.step, cause_kind: error.cause_kind, cause: error });
}

async function buildStages(input: CustomizationInput, step: string): Promise<CustomizationResult> {
  const { workspace, pin, inspection, log } = input;
  sayWarnings(log, step, inspection);
  const { content } = workspace;
  const layers: BuiltLayer[] = [];
  let { image } = input;
  let path = input.environment['PATH'];
  const add = async (layer: BuiltLayer | undefined, from: string): Promise<void> => {
    if (layer === undefined) return;
    const before = image;
    layers.push(layer);
    image = await withLayer(content, image, layer);
    await requireWhole(input, { step, from, before, after: image, paths: { before: path, after: path } });
  };
  await add(await buildScriptedLayer(input, { step, image, stage: 'packages' }), partsOf(input, 'packages'));
  log.say(`${step}: files`);
  const below = image;
  const files = await buildFilesLayer({
    content,
    archive: pin.digest,
    inspection,
    below: below.listing,
    epoch: pin.epoch,
    readBelow: (path) => readFileOf(content, below, path),
    reuse: (inputs, make) => cachedLayer(cacheContext(input, step), inputs, make),
  });
  await add(files.layer, FILES);
  const paths = { before: path, after: files.image.environment['PATH'] ?? path };
  await requireWhole(input, { step, from: 'environment', before: image, after: image, paths });
  path = paths.after;
  await add(await buildScriptedLayer(input, { step, image, stage: 'final' }), partsOf(input, 'final'));
  return { image, layers, ...files.image };
}

const FILES = 'rootfs/ and customization.yaml';

/** Returns the scripts and packages of a stage as text for a message. */
function partsOf({ pin, inspection }: CustomizationInput, stage: Stage): string {
  const scripts = inspection.hooks.filter(({ name }) => HOOKS_OF[stage].includes(name)).map(({ path }) => path);
  const packages = stage === 'packages' && pin.packages.length > 0 ? ['the packages'] : [];
  return [...scripts, ...packages].join(' or ');
}

type Change = { step: string; from: string } & Pick<LossInput, 'before' | 'after' | 'paths'>;

/** Throws BuildError if a part of a customization removed something that the image requires. */
async function requireWhole(
  { workspace: { content }, settings }: CustomizationInput,
  { step, from, ...change }: Change,
): Promise<void> {
  const losses = await listLosses({ content, settings, ...change });
  if (losses.length === 0) return;
  const message = `${from}: removes parts that the image requires: ${losses.join('; ')}.`;
  throw new BuildError(message, { step, cause_kind: 'CUSTOMIZATION_BUILD_ERROR' });
}

function sayWarnings(log: BuildLog, step: string, { warnings, more_warnings_count: more }: Inspection): void {
  for (const warning of warnings) log.say(`${step}: ${warningLine(warning)}`);
  if (more > 0) log.say(`${step}: and ${more} more warnings`);
}

function cacheContext({ workspace, cache, log, signal }: CustomizationInput, step: string): CacheContext {
  return { cache, content: workspace.content, exclusive: workspace.exclusive, log, step, signal };
}

type Stage = 'packages' | 'final';
const HOOKS_OF: Record<Stage, readonly HookName[]> = {
  packages: ['before-packages', 'after-packages'],
  final: ['final'],
};

type StageInput = { step: string; image: ImageState; stage: Stage };

/**
 * Builds the layer of a stage that runs programs. Returns undefined if the stage has nothing to run or has changed nothing.
 */
async function buildScriptedLayer(
  input: CustomizationInput,
  { step, image, stage }: StageInput,
): Promise<BuiltLayer | undefined> {
  const { pin, inspection } = input;
  const hooks = inspection.hooks.filter(({ name }) => HOOKS_OF[stage].includes(name));
  const packages = stage === 'packages' ? pin.packages : [];
  if (hooks.length + packages.length === 0) return undefined;
  const inputs = {
    kind: 'customization',
    stage,
    below: image.layers.map(({ diff_id }) => diff_id),
    packages: packages.map(({ digest }) => digest),
    hooks: hooks.map(({ path, digest }) => [path, digest]),
    epoch: scriptEpoch(input),
    environment: input.environment,
  };
  return await cachedLayer(cacheContext(input, step), inputs, () => runStage(input, { step, image, stage }));
}

async function runStage(
  input: CustomizationInput,
  { step, image, stage }: StageInput,
): Promise<BuiltLayer | undefined> {
  const { pin, workspace, log, signal } = input;
  const { content } = workspace;
  const packages = stage === 'packages' ? pin.packages : [];
  const hooks = await hooksOf(input, { step, image });
  await using given = openGivenFolder(workspace);
  await givePackages(given, packages);
  for (const hook of hooks.values()) await giveHook(given, hook);
  const roots = await prepareRoots(workspace, image.layers, { step, signal, chain: image.chain });
  const open = async () =>
    disposable(await openSandbox(workspace, { layers: roots, step, given: given.folder, signal }));
  const epoch = scriptEpoch(input);
  const parts: StagePart[] =
    stage === 'packages'
      ? [hooks.get('before-packages'), 'packages', hooks.get('after-packages')]
      : [hooks.get('final')];
  const run = async (sandbox: Sandbox, part: StagePart): Promise<void> => {
    if (part === 'packages') {
      const cause_kind = 'CUSTOMIZATION_BUILD_ERROR';
      await installPackages(sandbox, { packages, epoch, log, step, cause_kind, signal });
    } else if (part !== undefined) await runHook(sandbox, given, part);
  };
  /** Runs the stage again up to the failed script, in a new sandbox, and traces this script to find the line. */
  const findLine = async (failed: HookFailed): Promise<number | undefined> => {
    if (!canTrace(failed)) return undefined;
    try {
      await using sandbox = await open();
      for (const part of parts.slice(0, parts.indexOf(failed.hook))) await run(sandbox, part);
      return await traceHook(sandbox, given, failed);
    } catch (error) {
      // An earlier part has failed this time. So the first failure is reported, without a line.
      if (error instanceof HookFailed || error instanceof BuildError) return undefined;
      throw error;
    }
  };
  try {
    await using sandbox = await open();
    for (const part of parts) await run(sandbox, part);
    return await captureLayer(content, sandbox, {
      ...{ epoch, step, below: image.listing },
      // Omits private keys if packages were installed, because all containers would have the same generated keys. If only
      // scripts ran, their keys are intended and stay.
      privateKeys: packages.length > 0,
      onPrivateKey: (path) =>
        log.say(
          `${step}: left out ${path}: it contains a private key; to have keys in the image, put them into rootfs/`,
        ),
      watch: { paths: KEPT_FILES, onFile: async (_path, bytes) => void (await content.put(bytesOf(bytes))) },
    });
  } catch (error) {
    if (!(error instanceof HookFailed)) throw error;
    throw hookError(error, await findLine(error));
  }
}

/** One part of a stage. Undefined for a script that the archive does not have. */
type StagePart = HookRun | 'packages' | undefined;

/**
 * Returns the latest time of files that packages and scripts write. It is the epoch of the archive or of the plan, whichever
 * is later.
 */
function scriptEpoch({ pin, epoch }: CustomizationInput): number {
  return Math.max(pin.epoch, epoch);
}

/** Returns the archive's scripts by name, with all values that are needed to run them. */
async function hooksOf(
  input: CustomizationInput,
  { step, image }: Pick<StageInput, 'step' | 'image'>,
): Promise<Map<HookName, HookRun>> {
  const { pin, inspection, environment, log, signal } = input;
  const { content } = input.workspace;
  const scripts = await readHooks({ content, archive: pin.digest, inspection });
  const bash = ['bin/bash', 'usr/bin/bash'].some((path) => image.listing.has(path));
  const hooks = new Map<HookName, HookRun>();
  for (const { name, path } of inspection.hooks) {
    const script = scripts.get(name);
    if (script !== undefined)
      hooks.set(name, { path, script, bash, step, epoch: scriptEpoch(input), environment, log, signal });
  }
  return hooks;
}
