// Why open pipelines wait. The reasons are computed from the rows at each request instead of stored, so that they are always
// current.
import { type RawBuilder, sql } from 'kysely';
import type { WaitingCause } from '../contract/vocabulary.ts';
import type { Waiting } from '../contract/waiting.ts';
import { mustBeVerified } from '../pipelines/unverified-pipelines.ts';
import { jsonList, present, wireTime } from './wire.ts';
import { isAlive } from './workers.ts';

/** One reason, as read from the database. `id` and `name` belong to the resource that the pipeline waits for. */
export type WaitingRow = {
  cause: WaitingCause;
  since: string;
  id: string | null;
  name: string | null;
  /** The cause of the last failed check or push, if the resource is unhealthy. */
  detail: string | null;
};

/** The detail of WORKER_MISSING if the next step needs a worker with a sandbox. */
const WITH_SANDBOX = 'sandbox';

/** SQL: the time since which pipeline `l` has been ready for its next step. */
const stepSince = sql`coalesce((select max(s.ended_at) from pipeline_phases s
  where s.pipeline_id = l.id and s.status in ('SUCCEEDED', 'SKIPPED')), l.started_at)`;

const distributes = sql`exists (select from pipeline_phases s
  where s.pipeline_id = l.id and s.type = 'VERIFICATION' and s.status in ('SUCCEEDED', 'SKIPPED'))`;

/**
 * SQL: a base image without a version, on which nothing can be planned. If a base image has a version but can no longer be
 * read, pipelines use this version and do not wait.
 */
const unreadBaseImages = sql`
  select case when b.healthy = false then 'BASE_IMAGE_UNREADABLE' else 'BASE_IMAGE_NOT_READ' end as cause,
    greatest(l.started_at, b.unhealthy_since) as since, b.id, b.name, b.unhealthy_cause as detail
  from base_images b
  where b.id = l.base_image_id and not exists (select from base_image_versions v where v.base_image_id = b.id)`;

/**
 * SQL: unhealthy registries for which pipeline `l` waits. One is the registry of a base image without a version. During
 * DISTRIBUTION, the others are registries that do not have the release yet.
 */
const unhealthyRegistries = sql`
  select 'REGISTRY_AWAY' as cause, greatest(${stepSince}, r.unhealthy_since) as since, r.id, r.name,
    r.unhealthy_cause as detail
  from registries r
  where r.organization_id = l.organization_id and r.healthy = false and (
    exists (select from base_images b where b.id = l.base_image_id and b.registry_id = r.id
      and not exists (select from base_image_versions v where v.base_image_id = b.id))
    or (${distributes} and exists (select from application_registries ar
      where ar.application_id = l.application_id and ar.registry_id = r.id)
      and not exists (select from releases made where made.pipeline_id = l.id and made.registry_id = r.id)))
    and not exists (select from pipeline_distributions d where d.pipeline_id = l.id and d.registry_id = r.id)`;

/**
 * SQL: registries to which the last push of the pipeline failed. A check may still find such a registry healthy, because
 * pushes can fail although pulls work.
 */
const awayRegistries = sql`
  select 'REGISTRY_AWAY' as cause, d.since, r.id, r.name, d.cause as detail
  from pipeline_distributions d join registries r on r.id = d.registry_id
  where d.pipeline_id = l.id and d.status = 'WAITING'`;

const earlierPipelines = sql`
  select case e.kind when 'needs' then 'NEEDED_PIPELINE' else 'EARLIER_PIPELINE' end as cause, l.started_at as since,
    earlier.id, of.product_key || ' ' || of.branch as name, null as detail
  from pipeline_edges e join pipelines earlier on earlier.id = e.waits_for_id
  join applications of on of.id = earlier.application_id
  where e.pipeline_id = l.id and earlier.status = 'IN_PROGRESS'
    and not exists (select from pipeline_distributions d where d.pipeline_id = earlier.id and d.status = 'WAITING')`;

/**
 * SQL: whether the next step needs a worker with a sandbox. Each step after planning and before distribution needs one if an
 * image must be verified.
 */
const needsSandbox = sql`(l.plan_digest is not null and not ${distributes} and ${mustBeVerified})`;

/**
 * SQL: a missing worker. `since` is the last report of a suitable worker, if there is a row of such a worker. A worker that
 * stops normally deletes its row.
 */
const missingWorkers = sql`
  select 'WORKER_MISSING' as cause, greatest(${stepSince}, (select max(seen_at) from workers
      where not needs.sandbox or sandbox_mode <> 'files-only')) as since,
    null::uuid as id, null as name, case when needs.sandbox then ${WITH_SANDBOX} end as detail
  from (select ${needsSandbox} as sandbox) needs
  where not exists (select from workers
    where ${isAlive} and (not needs.sandbox or sandbox_mode <> 'files-only'))`;

/** SQL: all reasons of pipeline `l`, one in each row. There are no rows if the pipeline has ended. */
const reasons = sql`(
  select * from (${unreadBaseImages} union all ${unhealthyRegistries} union all ${awayRegistries} union all ${earlierPipelines}
    union all ${missingWorkers}) reason
  where l.status = 'IN_PROGRESS')`;

const asJson = sql`json_build_object('cause', w.cause, 'since', ${wireTime('w.since')}, 'id', w.id, 'name', w.name,
  'detail', w.detail)`;

/** SQL: why pipeline `l` waits, as a JSON array of WaitingRow. */
export const waitingOfPipeline = jsonList(sql`select ${asJson} from ${reasons} w order by w.since, w.cause, w.id`);

/** SQL: why the open pipelines of these applications wait. A reason that several pipelines share is contained once. */
export function waitingOfApplications(ids: RawBuilder<unknown>): RawBuilder<never> {
  return jsonList(sql`
    select ${asJson} from (
      select reason.cause, min(reason.since) as since, reason.id, reason.name, reason.detail
      from pipelines l cross join lateral ${reasons} reason
      where l.application_id = any(${ids}) and l.status = 'IN_PROGRESS'
      group by reason.cause, reason.id, reason.name, reason.detail) w
    order by w.since, w.cause, w.id`);
}

const NO_WORKER = 'No worker of this installation is running.';
const NO_SANDBOX =
  'No worker that has a sandbox is running, and this catalog does not release images that were not verified.';

const SENTENCES: Record<WaitingCause, (row: { name: string; detail: string }) => string> = {
  BASE_IMAGE_UNREADABLE: ({ name, detail }) => `The base image ${name} cannot be read: ${detail}`,
  BASE_IMAGE_NOT_READ: ({ name }) => `The base image ${name} has not been read yet.`,
  REGISTRY_AWAY: ({ name, detail }) => `The registry ${name} cannot be used: ${detail}`,
  WORKER_MISSING: ({ detail }) => (detail === WITH_SANDBOX ? NO_SANDBOX : NO_WORKER),
  EARLIER_PIPELINE: () => 'An earlier pipeline of the application has not ended.',
  NEEDED_PIPELINE: ({ name }) => `The pipeline of ${name}, which this application needs, has not ended.`,
};

/** The field of the API that contains the id of the resource, by the cause. */
const THINGS: Partial<Record<WaitingCause, 'base_image_id' | 'registry_id' | 'pipeline_id'>> = {
  BASE_IMAGE_UNREADABLE: 'base_image_id',
  BASE_IMAGE_NOT_READ: 'base_image_id',
  REGISTRY_AWAY: 'registry_id',
  EARLIER_PIPELINE: 'pipeline_id',
  NEEDED_PIPELINE: 'pipeline_id',
};

/** Returns the reasons in the form of the API, or undefined if there are none. */
export function toWaiting(rows: readonly WaitingRow[]): Waiting[] | undefined {
  if (rows.length === 0) return undefined;
  return rows.map(({ cause, since, id, name, detail }) => {
    const thing = THINGS[cause];
    return present<Waiting>({
      cause,
      description: SENTENCES[cause]({ name: name ?? '', detail: detail ?? 'its last check failed.' }),
      since,
      ...(thing !== undefined && id !== null && { [thing]: id }),
    });
  });
}
