// A pipeline's row, for the tests that look at what its phases left.
import type { Database } from '../src/db/database.ts';

/** Undefined when there is no such pipeline. Locks nothing. */
export async function findPipelineState(db: Database, pipelineId: string) {
  return await db
    .selectFrom('pipelines')
    .select(['status', 'plan_digest', 'base_digest', 'version', 'revision', 'artifact', 'metadata'])
    .where('id', '=', pipelineId)
    .executeTakeFirst();
}
