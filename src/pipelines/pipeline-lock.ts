// Locks rows for changes of pipelines. The order is always base image, application, pipelines.
import { type RawBuilder, sql } from 'kysely';
import type {
  Digest,
  MetadataFile,
  PhaseStatus,
  PhaseType,
  PipelineStatus,
  PipelineTrigger,
} from '../contract/vocabulary.ts';
import type { Transaction } from '../db/database.ts';
import { type Artifact, readStoredArtifact } from '../plan/artifact.ts';
import { readMetadataFiles, readTriggers } from '../plan/metadata-file.ts';

/** A pipeline whose row the transaction has locked, together with the row of its application. */
export type LockedPipeline = {
  id: string;
  organization_id: string;
  catalog_id: string;
  application_id: string;
  status: PipelineStatus;
  phases: Record<PhaseType, PhaseStatus>;
  /**
   * The triggers as stored. `readTriggers` parses them later, so that a pipeline whose triggers cannot be read can still be
   * failed.
   */
  triggers: unknown;
  keep_pins: boolean;
  force: boolean;
  /** The version of the artifact. If the artifact does not contain its own version, this is the version of the product. */
  version: string;
  revision: number | null;
  plan_digest: Digest | null;
  base_digest: Digest | null;
  release_id: string | null;
  started_at: Date;
};

/** A pipeline with the results of its phases so far. */
export type PipelineState = Omit<LockedPipeline, 'triggers'> & {
  triggers: PipelineTrigger[];
  artifact: Artifact | null;
  /** The files of the completed phases. */
  metadata: MetadataFile[];
};

/**
 * Locks the base image of a pipeline (with a shared lock), then its application and then the pipeline, so that changes of one
 * application run one after the other. Throws if the pipeline does not exist. This would be a fault of Larder, because a
 * pipeline's jobs are enqueued in the transaction that makes the pipeline.
 */
export async function lockPipeline(tx: Transaction, pipelineId: string): Promise<LockedPipeline> {
  return await lockRow<LockedPipeline>(tx, pipelineId, PIPELINE_COLUMNS);
}

/** Locks a pipeline like `lockPipeline` and also reads the results of its phases. Throws StoredValueError. */
export async function lockPipelineState(tx: Transaction, pipelineId: string): Promise<PipelineState> {
  const row = await lockRow<LockedPipeline & { artifact: unknown; metadata: unknown }>(
    tx,
    pipelineId,
    sql`${PIPELINE_COLUMNS}, l.artifact, l.metadata`,
  );
  return {
    ...row,
    triggers: readTriggers(row.triggers, pipelineId),
    artifact: row.artifact === null ? null : readStoredArtifact(row.artifact, `of pipeline ${pipelineId}`),
    metadata: readMetadataFiles(row.metadata, pipelineId),
  };
}

/**
 * The columns of a pipeline and its phases. The rows of the phases need no lock, because every transaction that writes them
 * holds the lock of the application.
 */
const PIPELINE_COLUMNS = sql`l.id, l.organization_id, l.catalog_id, l.application_id, l.status,
  (select json_object_agg(s.type, s.status) from pipeline_phases s where s.pipeline_id = l.id) as phases,
  l.triggers, l.keep_pins, l.force, l.version, l.revision, l.plan_digest, l.base_digest, l.release_id, l.started_at`;

async function lockRow<Row>(tx: Transaction, pipelineId: string, columns: RawBuilder<unknown>): Promise<Row> {
  await sql`
    select from base_images
    where id = (select a.base_image_id from pipelines l join applications a on a.id = l.application_id
      where l.id = ${pipelineId})
    for share`.execute(tx);
  // `no key update` still allows other transactions to insert rows that refer to the application.
  await sql`
    select from applications
    where id = (select application_id from pipelines where id = ${pipelineId})
    for no key update`.execute(tx);
  const found = await sql<Row>`
    select ${columns} from pipelines l where l.id = ${pipelineId} for no key update of l`.execute(tx);
  const [row] = found.rows;
  if (!row) throw new Error(`There is no pipeline ${pipelineId}`);
  return row;
}

/** An application that is not removed. The transaction has locked its row. */
export type LockedApplication = { id: string; organization_id: string; catalog_id: string };

/**
 * Locks the base images of these applications, so that none of them gets a version until this transaction ends. So either the
 * new pipeline sees the first version, or the transaction that records the first version sees the new pipeline.
 */
export async function lockBaseImagesOf(tx: Transaction, applicationIds: readonly string[]): Promise<void> {
  await sql`
    select from base_images
    where id in (select base_image_id from applications where id = any(${applicationIds}::uuid[]))
    order by id for share`.execute(tx);
}
