// The interface of a packaging type: six functions over plans, artifacts and content.
import type { ContentStore } from '../content/content.ts';
import type { Digest } from '../contract/vocabulary.ts';
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

/** A packaging type. `build` and `verify` run in an engine process, the others in a worker. */
export type Packaging<P extends Plan> = {
  /** Pins every input. Throws PlanRejected for a fault that the reader of the pipeline must correct. */
  plan(inputs: PlanInputs<P>, tools: PlanTools): Promise<P>;
  /** Uses no network and no database. The same plan gives the same artifact, which does not contain the log. Throws BuildError. */
  build(plan: P, tools: BuildTools): Promise<Artifact>;
  /** Runs the tests; a failing test is in the report. Throws BuildError when the tests cannot run. */
  verify(plan: P, artifact: Artifact, tools: EngineTools): Promise<TestReport>;
  /** The contents that must be kept to build the plan again and, with its artifact, to distribute the artifact again. */
  contents(plan: P, artifact?: Artifact): Digest[];
  components(plan: P, artifact: Artifact, tools: Pick<PlanTools, 'content'>): Promise<Component[]>;
  /** Repository and tags in a registry. `version` is the artifact's own, for packagings with `versionSeries`. */
  place(plan: P, version?: string): Place;
  /**
   * The author's part of the artifact's own version: `1.0` of a chart. Its last number is reserved before the build, which writes the
   * version into the artifact. Absent if artifacts do not contain a version of their own.
   */
  versionSeries?(plan: P): string;
  /** What the artifact for a registry names there: the digests that the tags of other releases point to. */
  needs(plan: P, registryId: string): Digest[];
};

/** The inputs of a plan, from the rows of the pipeline. */
export type PlanInputs<P extends Plan> = {
  recipe: Recipe;
  branch: string;
  operating_system: { key: string; name: string; codename: string };
  base: BasePin;
  /** The stack, in the order in which it is applied. */
  customizations: PlannedCustomization[];
  /** The plan whose pins are kept: only the customizations and the needed releases are planned again. */
  kept?: P;
  /** Releases of the applications that this one needs, the newest in each registry, newest first. */
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
  /** The immutable tag. */
  tag: string;
  /** What the tag points to. */
  root: Root;
  plan: Plan;
};

export type PlannedCustomization = {
  id: string;
  version: number;
  name: string | null;
  digest: Digest;
  /** The newest time in the archive, in seconds since 1970; for versions stored before this field existed, the time of the upload. */
  epoch: number;
  inspection: Pick<StoredInspection, 'declaration'>;
};

export type PlanTools = {
  content: ContentStore;
  /** Opens the package archive of an operating system, with indexes that are recent enough for a plan. */
  openArchive(operatingSystem: { key: string; codename: string }): Promise<AptRoot>;
  signal: AbortSignal;
};

export type EngineTools = { workspace: Workspace; log: LogSink; signal?: AbortSignal | undefined };

export type BuildTools = EngineTools & {
  layers: LayerCache;
  /** Inspections of the plan's customizations, by the digest of the archive. */
  inspections: ReadonlyMap<Digest, Inspection>;
  /** Names of the plan's customizations, by id, for messages and the log. A customization may have no name. */
  names: ReadonlyMap<string, string>;
  /** The artifact's own version, for packagings with `versionSeries`. */
  version?: string | undefined;
};

/** Repository and tags of an artifact in a registry. */
export type Place = {
  /** `folder/<key of the base image>/name` below the registry's own path. */
  repository: { folder: 'containers' | 'charts' | 'appliances'; name: string };
  /** The tag that always points to the release of a revision. */
  immutableTag(revision: number): string;
  /** The tags that move to the release of a revision, given the other releases in the repository. */
  movingTags(release: { revision: number; others: readonly ReleasedVersion[] }): string[];
};

export type ReleasedVersion = { version: string; revision: number };
