// The releases from which an artifact is made. They are releases of the applications that the artifact's application needs.
import { sql } from 'kysely';
import type { Digest } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { type Artifact, readStoredArtifact } from '../plan/artifact.ts';

export type NeededRelease = {
  product_key: string;
  registry_id: string;
  /** The registry's address. */
  url: string;
  /** Begins with the host that the registry had at the time of the release. */
  repository: string;
  /** The immutable tag. */
  tag: string;
  plan_digest: Digest;
  artifact: Artifact;
};

type NeededRow = Omit<NeededRelease, 'artifact'> & { release_id: string; artifact: unknown };

/**
 * For each application that a pipeline's application needs, lists the newest release in each registry of the pipeline's
 * application, newest first. One statement. Throws StoredValueError.
 */
export async function findNeededReleases(db: Database, pipelineId: string): Promise<NeededRelease[]> {
  const found = await sql<NeededRow>`
    select r.id as release_id, a.product_key, r.registry_id, g.url, r.repository || '/' || r.artifact_name as repository,
      r.artifact_version as tag, r.plan_digest, made.artifact
    from pipelines l
    join application_dependencies d on d.application_id = l.application_id
    join applications a on a.id = d.needs_id
    join application_registries ar on ar.application_id = l.application_id
    join registries g on g.id = ar.registry_id
    join lateral (select * from releases n where n.application_id = a.id and n.registry_id = ar.registry_id
      order by n.released_at desc, n.id limit 1) r on true
    join pipelines made on made.id = r.pipeline_id
    where l.id = ${pipelineId} order by r.released_at desc, r.id`.execute(db);
  return found.rows.map(({ release_id, artifact, ...row }) => ({
    ...row,
    artifact: readStoredArtifact(artifact, `of release ${release_id}`),
  }));
}

/**
 * Lists the pipelines for which this pipeline waited (`needs`) and which did not succeed. An earlier release of their
 * application is used instead.
 */
export async function findFailedNeeds(
  db: Database,
  pipelineId: string,
): Promise<{ product_key: string; branch: string; pipeline_id: string; status: 'FAILED' | 'CANCELLED' }[]> {
  const found = await sql<{
    product_key: string;
    branch: string;
    pipeline_id: string;
    status: 'FAILED' | 'CANCELLED';
  }>`
    select a.product_key, a.branch, waited.id as pipeline_id, waited.status
    from pipeline_edges e
    join pipelines waited on waited.id = e.waits_for_id and waited.status in ('FAILED', 'CANCELLED')
    join applications a on a.id = waited.application_id
    where e.pipeline_id = ${pipelineId} and e.kind = 'needs'
    order by a.product_key, a.branch, waited.id`.execute(db);
  return found.rows;
}

/**
 * Returns the releases in a registry that have these digests and belong to applications that the pipeline's application
 * needs.
 */
export async function findDependencies(
  db: Database,
  of: { pipeline_id: string; registry_id: string; digests: readonly Digest[] },
): Promise<string[]> {
  if (of.digests.length === 0) return [];
  const found = await sql<{ id: string }>`
    select distinct on (r.application_id) r.id
    from pipelines l
    join application_dependencies d on d.application_id = l.application_id
    join releases r on r.application_id = d.needs_id
    where l.id = ${of.pipeline_id} and r.registry_id = ${of.registry_id} and r.repo_digest = any(${of.digests}::text[])
    order by r.application_id, r.released_at desc, r.id`.execute(db);
  return found.rows.map(({ id }) => id);
}
