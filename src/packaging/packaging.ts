// What a packaging type is to the rest of Larder: six functions over plans, artifacts and content.
import type { ContentStore } from '../content/content.ts';
import type { Digest } from '../contract/vocabulary.ts';
import type { Inspection } from '../customization/inspection.ts';
import type { AptRoot } from '../debian/apt.ts';
import type { Artifact } from '../plan/artifact.ts';
import type { Component } from '../plan/component.ts';
import type { StoredInspection } from '../plan/inspection.ts';
import type { BasePin } from '../plan/pin.ts';
import type { Plan } from '../plan/plan.ts';
import type { Recipe } from '../plan/recipe.ts';
import type { LogSink } from '../sandbox/build-log.ts';
import type { Workspace } from '../sandbox/workspace.ts';
import type { LayerCache } from './image/layer-cache.ts';
import type { TestReport } from './image/verify-image.ts';

/** A packaging type. `build` and `verify` run in an engine process, the others in a worker. */
export type Packaging<P extends Plan> = {
  /** Pins every input. Throws PlanRejected for what the person who reads the pipeline must change. */
  plan(inputs: PlanInputs<P>, tools: PlanTools): Promise<P>;
  /** Uses no network and no rows. The same plan gives the same artifact: the log goes to the tools. Throws BuildError. */
  build(plan: P, tools: BuildTools): Promise<Artifact>;
  /** A failing test is a report. Throws BuildError where the tests cannot run. */
  verify(plan: P, artifact: Artifact, tools: EngineTools): Promise<TestReport>;
  /** Everything that must be kept to build the plan again and, with its artifact, to distribute that again. */
  contents(plan: P, artifact?: Artifact): Digest[];
  components(plan: P, artifact: Artifact, tools: Pick<PlanTools, 'content'>): Promise<Component[]>;
  /** Where a registry gets it. */
  place(plan: P): Place;
};

/** What a pipeline is to make, as its rows have it. */
export type PlanInputs<P extends Plan> = {
  recipe: Recipe;
  branch: string;
  operating_system: { key: string; name: string; codename: string };
  base: BasePin;
  /** The stack, in the order in which it is applied. */
  customizations: PlannedCustomization[];
  /** The plan whose pins are kept: only the customizations are planned anew. */
  kept?: P;
};

export type PlannedCustomization = {
  id: string;
  version: number;
  name: string | null;
  digest: Digest;
  /** The newest time in this version's archive, in seconds since 1970; of rows from before it was kept, the time of the upload. */
  epoch: number;
  inspection: Pick<StoredInspection, 'declaration'>;
};

export type PlanTools = {
  content: ContentStore;
  /** The package archive of an operating system with indexes that are fresh enough to plan with. */
  openArchive(operatingSystem: { key: string; codename: string }): Promise<AptRoot>;
  signal: AbortSignal;
};

export type EngineTools = { workspace: Workspace; log: LogSink; signal?: AbortSignal | undefined };

export type BuildTools = EngineTools & {
  layers: LayerCache;
  /** Of the plan's customizations, by the digest of the archive. */
  inspections: ReadonlyMap<Digest, Inspection>;
  /** Of the plan's customizations that have one, by id: for messages and the log. */
  names: ReadonlyMap<string, string>;
};

/** Where an artifact is put in a registry. */
export type Place = {
  /** `folder/<key of the base image>/name` below the registry's own path. */
  repository: { folder: 'containers' | 'charts' | 'appliances'; name: string };
  /** The tag that names the release of a revision for ever. */
  immutableTag(revision: number): string;
  /** The tags that the release of a revision takes over, given what the repository has. */
  movingTags(release: { revision: number; others: readonly ReleasedVersion[] }): string[];
};

export type ReleasedVersion = { version: string; revision: number };
