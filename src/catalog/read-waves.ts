// Reads waves as the API returns them.
import { type RawBuilder, sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import { WAVE_PIPELINES_MAX } from '../contract/limits.ts';
import type { PipelineStatus, WaveCause } from '../contract/vocabulary.ts';
import type { Wave, WaveDetailed } from '../contract/wave.ts';
import type { Database } from '../db/database.ts';
import { notFound } from './errors.ts';
import { requireUuids } from './ids.ts';
import { scannedCount } from './list-counts.ts';
import type { Principal } from './principal.ts';
import { countInCatalog } from './references.ts';
import { isPast, pageWindow, present, toPage, wireTime } from './wire.ts';

type WaveRow = {
  id: string;
  catalog_id: string;
  cause: WaveCause;
  created_at: string;
  created_by: string | null;
  counts: Wave['counts'];
};

/** Lists the waves of a catalog, newest first. At most two statements. */
export async function listWaves(
  db: Database,
  principal: Principal,
  input: Input<'listWaves'>,
): Promise<Output<'listWaves'>> {
  const from = sql`waves w where w.organization_id = ${principal.organization_id} and w.catalog_id = ${input.catalog_id}`;
  const total = await countInCatalog(db, principal, { catalog_id: input.catalog_id, count: scannedCount(from) });
  if (isPast(input, total)) return toPage(input, total, []);
  const page = sql`select w.* from ${from} order by w.created_at desc, w.id ${pageWindow(input)}`;
  return toPage(input, total, (await readWaves(db, page)).map(toWave));
}

/** Returns one wave with its pipelines. Two statements. Throws NOT_FOUND. */
export async function getWave(db: Database, principal: Principal, input: Input<'getWave'>): Promise<Output<'getWave'>> {
  requireUuids('wave', input.catalog_id, input.wave_id);
  const own = sql`select w.* from waves w join catalogs c on c.id = w.catalog_id and c.removed_at is null
    where w.organization_id = ${principal.organization_id} and w.catalog_id = ${input.catalog_id} and w.id = ${input.wave_id}`;
  const [wave] = await readWaves(db, own);
  if (!wave) throw notFound('wave');
  const pipelines = await sql<WaveDetailed['pipelines'][number]>`
    select l.id, l.application_id, l.status,
      array(select e.waits_for_id from pipeline_edges e where e.pipeline_id = l.id and e.kind = 'needs' order by 1) as needs,
      array(select e.waits_for_id from pipeline_edges e where e.pipeline_id = l.id and e.kind = 'follows' order by 1) as follows
    from wave_pipelines m join pipelines l on l.id = m.pipeline_id and l.organization_id = ${principal.organization_id}
    join applications a on a.id = l.application_id
    where m.wave_id = ${input.wave_id}
    order by l.started_at, a.depth, l.id limit ${WAVE_PIPELINES_MAX}`.execute(db);
  return { ...toWave(wave), pipelines: pipelines.rows };
}

async function readWaves(db: Database, waves: RawBuilder<unknown>): Promise<WaveRow[]> {
  const counted = (status: PipelineStatus) => sql`count(*) filter (where l.status = ${status})`;
  const found = await sql<WaveRow>`
    select w.id, w.catalog_id, w.cause, ${wireTime('w.created_at')} as created_at, w.created_by,
      (select json_build_object('in_progress', ${counted('IN_PROGRESS')}, 'succeeded', ${counted('SUCCEEDED')},
          'failed', ${counted('FAILED')}, 'cancelled', ${counted('CANCELLED')})
        from wave_pipelines m join pipelines l on l.id = m.pipeline_id where m.wave_id = w.id) as counts
    from (${waves}) w order by w.created_at desc, w.id`.execute(db);
  return found.rows;
}

function toWave(row: WaveRow): Wave {
  const { catalog_id, ...fields } = row;
  return present<Wave>({
    ...fields,
    status: statusOf(row.counts),
    _links: {
      self: { href: `/larder/v1/catalogs/${catalog_id}/waves/${row.id}` },
      catalog: { href: `/v1/catalogs/${catalog_id}` },
    },
  });
}

function statusOf({ in_progress, succeeded, failed, cancelled }: Wave['counts']): PipelineStatus {
  if (in_progress > 0) return 'IN_PROGRESS';
  if (failed > 0) return 'FAILED';
  return cancelled > 0 && succeeded === 0 ? 'CANCELLED' : 'SUCCEEDED';
}
