// The operations on one artifact or base image. Each is a function from plain values to plain values. An engine process runs
// one at a time.
import type { ContentStore } from '../content/content.ts';
import type { Digest } from '../contract/vocabulary.ts';
import type { Inspection } from '../customization/inspection.ts';
import { loadedInspection } from '../customization/stored-inspection.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type BaseImage, buildBaseImage } from '../packaging/image/base-image.ts';
import { pinBaseImage } from '../packaging/image/base-image-pin.ts';
import { tryBaseImage } from '../packaging/image/base-image-trial.ts';
import type { DeclaredSystem } from '../packaging/image/base-system.ts';
import type { LayerCache } from '../packaging/image/layer-cache.ts';
import { packagingOf } from '../packaging/packagings.ts';
import type { TestReport } from '../packaging/test-report.ts';
import type { Artifact } from '../plan/artifact.ts';
import type { StoredInspection } from '../plan/inspection.ts';
import type { BasePin } from '../plan/pin.ts';
import type { Plan } from '../plan/plan.ts';
import type { LogSink } from '../sandbox/build-log.ts';
import type { Workspace } from '../sandbox/workspace.ts';

export type EngineContext = { workspace: Workspace; log: LogSink; layers: LayerCache; signal: AbortSignal };

/** The input and the result of each task. Both can be sent to another process. */
export type EngineTasks = {
  /**
   * Builds a plan. `inspections` has the inspections of its customizations, by the digest of the archive. `names` has the
   * names of its customizations, by id. `version` is the artifact's own version, which only some packagings have.
   */
  build: {
    input: { plan: Plan; inspections: Map<Digest, StoredInspection>; names: Map<string, string>; version?: string };
    output: Artifact;
  };
  verify: { input: { plan: Plan; artifact: Artifact }; output: TestReport };
  'pin-base-image': {
    input: { root: Descriptor; image?: Descriptor; name: string; system: DeclaredSystem };
    output: BasePin;
  };
  'build-base-image': { input: { sources: string; suite: string; operating_system: string }; output: BaseImage };
};

export type EngineTask = keyof EngineTasks;

type Run<T extends EngineTask> = (
  input: EngineTasks[T]['input'],
  context: EngineContext,
) => Promise<EngineTasks[T]['output']>;

/** The function of each task. All throw BuildError for faults that the user can correct. */
export const engineTasks: { [T in EngineTask]: Run<T> } = {
  async build({ plan, inspections, names, version }, { workspace, log, layers, signal }) {
    const loaded = await loadInspections(workspace.content, inspections);
    const tools = { workspace, log, layers, signal, inspections: loaded, names, version };
    return await packagingOf(plan).build(plan, tools);
  },
  verify: ({ plan, artifact }, { workspace, log, signal }) =>
    packagingOf(plan).verify(plan, artifact, { workspace, log, signal }),
  async 'pin-base-image'(input, { workspace, signal }) {
    const pin = await pinBaseImage({ workspace, ...input });
    await tryBaseImage(workspace, pin, { signal });
    return pin;
  },
  'build-base-image': (input, { workspace, log, signal }) => buildBaseImage({ workspace, log, signal, ...input }),
};

async function loadInspections(
  content: ContentStore,
  stored: Map<Digest, StoredInspection>,
): Promise<Map<Digest, Inspection>> {
  const loaded = new Map<Digest, Inspection>();
  for (const [digest, inspection] of stored) {
    loaded.set(digest, await loadedInspection(inspection, await content.open(inspection.listing)));
  }
  return loaded;
}
