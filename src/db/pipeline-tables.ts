// The tables of pipelines: status, phases and edges, and the state of the release in each registry.
import type { Generated } from 'kysely';
import type {
  Digest,
  FailureCause,
  MetadataFile,
  PackagingType,
  PhaseStatus,
  PhaseType,
  PipelineStatus,
  PipelineTrigger,
  WaveCause,
} from '../contract/vocabulary.ts';
import type { Artifact } from '../plan/artifact.ts';
import type { DefaultJson, DefaultTime, Json, OptionalJson, OptionalTime } from './columns.ts';

export type PipelinesTable = {
  id: Generated<string>;
  organization_id: string;
  catalog_id: string;
  application_id: string;
  status: Generated<PipelineStatus>;
  triggers: Json<PipelineTrigger[]>;
  started_at: DefaultTime;
  ended_at: OptionalTime;
  version: string;
  product_version: string;
  revision: number | null;
  customization_id: string | null;
  customization_version: number | null;
  keep_pins: Generated<boolean>;
  force: Generated<boolean>;
  plan_digest: Digest | null;
  base_digest: Digest | null;
  artifact: OptionalJson<Artifact>;
  metadata: DefaultJson<MetadataFile[]>;
  release_id: string | null;
  /** Copied from the application by a trigger. */
  base_image_id: string | null;
  packaging_type: PackagingType | null;
  product_key: string | null;
  /** The first registry of the application. */
  registry_id: string | null;
  /** Copied from the phase by a trigger. */
  distribution_started_at: OptionalTime;
  /** Copied from the application by a trigger. */
  requested: Generated<boolean>;
  /** The wave that created the pipeline. Null for pipelines of earlier versions of Larder, which had no waves. */
  wave_id: string | null;
  /** The failed pipeline of which this pipeline is a retry with the same plan. */
  retry_of_id: string | null;
};

export type PipelinePhasesTable = {
  pipeline_id: string;
  type: PhaseType;
  status: Generated<PhaseStatus>;
  started_at: OptionalTime;
  ended_at: OptionalTime;
  failure_cause: FailureCause | null;
  failure_message: string | null;
  failure_metadata: OptionalJson<MetadataFile[]>;
};

export type PipelineEdgesTable = { pipeline_id: string; waits_for_id: string; kind: Generated<'follows' | 'needs'> };

export type WavesTable = {
  id: Generated<string>;
  organization_id: string;
  catalog_id: string;
  cause: WaveCause;
  created_at: DefaultTime;
  /** Null if Larder itself acted. */
  created_by: string | null;
};

export type WavePipelinesTable = { wave_id: string; pipeline_id: string };

/** Why a registry does not have the release of a pipeline. A registry that has the release has no row. */
export type PipelineDistributionsTable = {
  pipeline_id: string;
  registry_id: string;
  status: 'WAITING' | 'FAILED' | 'SUPERSEDED';
  cause: string;
  since: DefaultTime;
  attempts: Generated<number>;
  attempted_at: DefaultTime;
};
