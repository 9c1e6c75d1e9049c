// Notifies organizations of changes of their catalog: requests, and releases that fix a vulnerability.
import { sql } from 'kysely';
import type { NotificationEvent } from '../contract/notification-event.ts';
import type { Transaction } from '../db/database.ts';
import { namedBuild } from './application-names.ts';
import { recordNotificationEvent } from './notification-events.ts';

type EventOf<T extends NotificationEvent['type']> = Extract<NotificationEvent, { type: T }>;

/** Notifies the organization of a request that the transaction has just created. */
export async function notifyOfRequest(tx: Transaction, requestId: string): Promise<void> {
  type Row = Omit<EventOf<'APPLICATION_REQUEST_CREATED'>, 'type'> & { organization_id: string };
  const found = await sql<Row>`
    select q.organization_id, q.catalog_id, q.id as request_id, q.name, q.request_type, q.created_by,
      array(select ${namedBuild('a.product_key', 'a')} from application_request_items i
        join applications a on a.id = i.application_id where i.request_id = q.id order by i.position) as applications
    from application_requests q where q.id = ${requestId}`.execute(tx);
  for (const { organization_id, ...request } of found.rows) {
    const event = { type: 'APPLICATION_REQUEST_CREATED', ...request } as const;
    await recordNotificationEvent(tx, { organization_id, key: `request:${requestId}`, event });
  }
}

/**
 * Notifies the organization of a pipeline's first release if the pipeline was created because of a fixed vulnerability.
 * Further releases of the pipeline send nothing.
 */
export async function notifyOfPatch(tx: Transaction, pipelineId: string): Promise<void> {
  type Row = Omit<EventOf<'CRITICAL_CVE_PATCH_AVAILABLE'>, 'type'> & { organization_id: string };
  const found = await sql<Row>`
    select l.organization_id, l.catalog_id, l.application_id, ${namedBuild('a.product_key', 'a')} as application,
      r.id as release_id, r.version, r.repository || '/' || r.artifact_name || ':' || r.artifact_version as artifact,
      array(select distinct t ->> 'context' from jsonb_array_elements(l.triggers) t
        where t ->> 'type' = 'CVE_PATCH' and t ->> 'context' is not null order by 1) as vulnerabilities
    from pipelines l join applications a on a.id = l.application_id join lateral (select * from releases r
      where r.pipeline_id = l.id order by r.released_at, r.id limit 1) r on true
    where l.id = ${pipelineId} and l.requested and l.triggers @> '[{"type": "CVE_PATCH"}]'`.execute(tx);
  for (const { organization_id, ...release } of found.rows) {
    const event = { type: 'CRITICAL_CVE_PATCH_AVAILABLE', ...release } as const;
    await recordNotificationEvent(tx, { organization_id, key: `patch:${pipelineId}`, event });
  }
}
