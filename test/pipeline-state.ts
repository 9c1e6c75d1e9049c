// Reads a pipeline's row, for tests that check the results of its phases.
import type { Database } from '../src/db/database.ts';

/** Returns the row, or undefined if the pipeline does not exist. Locks nothing. */
export async function findPipelineState(db: Database, pipelineId: string) {
  return await db
    .selectFrom('pipelines')
    .select(['status', 'plan_digest', 'base_digest', 'version', 'revision', 'artifact', 'metadata'])
    .where('id', '=', pipelineId)
    .executeTakeFirst();
}
