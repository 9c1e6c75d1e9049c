// Tables of pipelines: how each stands, its phases, what it waits for, and how far each registry has its release.
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
  /** The application's, kept by a trigger. */
  base_image_id: string | null;
  packaging_type: PackagingType | null;
  product_key: string | null;
  /** The first of the application's. */
  registry_id: string | null;
  /** The phase's, kept by a trigger. */
  distribution_started_at: OptionalTime;
  /** The application's, kept by a trigger. */
  requested: Generated<boolean>;
  /** The wave that made it; absent for pipelines from before waves. */
  wave_id: string | null;
  /** The failed pipeline whose plan this one takes. */
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
  /** Absent: Larder's own. */
  created_by: string | null;
};

export type WavePipelinesTable = { wave_id: string; pipeline_id: string };

/** What keeps a pipeline's release from a registry; a registry that took it has none. */
export type PipelineDistributionsTable = {
  pipeline_id: string;
  registry_id: string;
  status: 'WAITING' | 'FAILED' | 'SUPERSEDED';
  cause: string;
  since: DefaultTime;
  attempts: Generated<number>;
  attempted_at: DefaultTime;
};
