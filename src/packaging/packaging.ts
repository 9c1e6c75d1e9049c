// The interface of a packaging type: six functions over plans, artifacts and content.
import type { ContentStore } from '../content/content.ts';
import type { Digest, WorkerCapability } from '../contract/vocabulary.ts';
import type { Inspection } from '../customization/inspection.ts';
import type { AptRoot } from '../debian/apt.ts';
import type { Artifact, Root } from '../plan/artifact.ts';
import type { Component } from '../plan/component.ts';
import type { StoredInspection } from '../plan/inspection.ts';
import type { BasePin } from '../plan/pin.ts';
import type { Plan } from '../plan/plan.ts';
import type { Recipe } from '../plan/recipe.ts';
import type { LogSink } from '../sandbox/build-log.ts';
import type { Workspace } from '../sandbox/workspace.ts';
import type { LayerCache } from './image/layer-cache.ts';
import type { TestReport } from './test-report.ts';

/** A packaging type. `build` and `verify` run in an engine process, and the other functions run in a worker. */
export type Packaging<P extends Plan> = {
  /**
   * The capability that a worker needs to do a whole step. A worker without the capability leaves the step to a worker that
   * has it. If no worker has it, a worker does the part of the step that needs no capability.
   */
  requires: { build?: WorkerCapability; verify: WorkerCapability };
  /** Pins every input. Throws PlanRejected for a fault that people who read the pipeline must correct. */
  plan(inputs: PlanInputs<P>, tools: PlanTools): Promise<P>;
  /**
   * Builds the artifact without network and database. The same plan gives the same artifact. So the log is not a part of it.
   * Throws BuildError.
   */
  build(plan: P, tools: BuildTools): Promise<Artifact>;
  /** Runs the tests. A failing test is in the report and is not thrown. Throws BuildError if the tests cannot run. */
  verify(plan: P, artifact: Artifact, tools: EngineTools): Promise<TestReport>;
  /**
   * Returns the contents that must be kept to build the plan again. With the artifact, also returns the contents that are
   * needed to distribute it again.
   */
  contents(plan: P, artifact?: Artifact): Digest[];
  components(plan: P, artifact: Artifact, tools: Pick<PlanTools, 'content'>): Promise<Component[]>;
  /**
   * Returns the repository and tags in a registry. `version` is the artifact's own version, which only packagings with
   * `versionSeries` have.
   */
  place(plan: P, version?: string): Place;
  /**
   * Returns the first numbers of the artifact's own version, such as `1.0` of a chart. The author chooses them. Larder
   * reserves the last number before the build, because the build writes the version into the artifact. Absent if the
   * artifacts of this packaging have no version of their own.
   */
  versionSeries?(plan: P): string;
  /**
   * Returns the digests of other releases that the artifact names in this registry. Tags of those releases point to these
   * digests.
   */
  needs(plan: P, registryId: string): Digest[];
};

/** The inputs of a plan, from the rows of the pipeline. */
export type PlanInputs<P extends Plan> = {
  recipe: Recipe;
  branch: string;
  operating_system: { key: string; name: string; codename: string };
  base: BasePin;
  /** The customizations that have parts for this packaging type, in the order in which they apply. */
  customizations: PlannedCustomization[];
  /** Versions of customizations that broke the application. The plan must not contain them. */
  left_out: { id: string; version: number }[];
  /** A plan whose pins are kept. Only the customizations and the needed releases are planned again. */
  kept?: P;
  /** For each application that this application needs, its newest release in each registry, newest first. */
  needs: NeededRelease[];
};

/** The newest release of a needed application in a registry of the application that needs it. */
export type NeededRelease = {
  product_key: string;
  registry_id: string;
  /** The registry's host, with the port if it has one. */
  host: string;
  /** The path in the registry, without the host. */
  repository: string;
  /** The immutable tag of the release. */
  tag: string;
  /** The manifest or index to which the tag points. */
  root: Root;
  plan: Plan;
};

export type PlannedCustomization = {
  id: string;
  version: number;
  name: string | null;
  digest: Digest;
  /**
   * The newest time in the archive of the customization, in seconds since 1970. For versions that were stored before this
   * field existed, it is the time of the upload.
   */
  epoch: number;
  inspection: Pick<StoredInspection, 'declaration'>;
};

export type PlanTools = {
  content: ContentStore;
  /** Opens the package archive of an operating system. Its indexes are recent enough for a plan. */
  openArchive(operatingSystem: { key: string; codename: string }): Promise<AptRoot>;
  signal: AbortSignal;
};

export type EngineTools = { workspace: Workspace; log: LogSink; signal?: AbortSignal | undefined };

export type BuildTools = EngineTools & {
  layers: LayerCache;
  /** Inspections of the plan's customizations, by the digest of the archive. */
  inspections: ReadonlyMap<Digest, Inspection>;
  /** Names of the plan's customizations by id, for messages and the log. A customization may have no name. */
  names: ReadonlyMap<string, string>;
  /** The artifact's own version. Present only for packagings with `versionSeries`. */
  version?: string | undefined;
};

/** The repository and the tags of an artifact in a registry. */
export type Place = {
  /** The repository is `folder/<key of the base image>/name`, below the configured path of the registry. */
  repository: { folder: 'containers' | 'charts' | 'appliances'; name: string };
  /** Returns the tag that always points to the release with this revision. */
  immutableTag(revision: number): string;
  /** Returns the tags that move to the release with this revision. `others` are the other releases in the repository. */
  movingTags(release: { revision: number; others: readonly ReleasedVersion[] }): string[];
};

export type ReleasedVersion = { version: string; revision: number };
