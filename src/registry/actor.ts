// The client behind a change, and the audit event of the change: written in its transaction, one for each manifest, tag and delete.
import type { FastifyRequest } from 'fastify';
import type { AuditEntry } from '../db/audit-trail.ts';
import type { Caller } from './caller.ts';

/** Who acts, and from where: an audit event without its action. */
export type Actor = Omit<AuditEntry, 'action' | 'outcome' | 'subject_kind' | 'subject_id' | 'changed_fields'>;

/** What clients do that leaves an event. A push of blobs alone shows nothing, so it leaves none. */
type Act = { action: 'pushManifest' | 'deleteManifest' | 'deleteTag' | 'deleteBlob'; subject_kind: string };

/** Inserts the events of the JSON array that a parameter holds; a condition may follow. */
export function insertEvents(parameter: string): string {
  return `insert into audit_events (organization_id, actor_id, actor_name, token_id, action, subject_kind, subject_id, request_id, address)
   select organization_id, actor_id, actor_name, token_id, action, subject_kind, subject_id, request_id, address
   from jsonb_to_recordset(${parameter}::jsonb) as event (organization_id uuid, actor_id uuid, actor_name text, token_id uuid,
     action text, subject_kind text, subject_id text, request_id text, address text)`;
}

/** The client of a request. Only a token made by an earlier version has no user. */
export function actorOf({ caller, request }: { caller: Caller; request: FastifyRequest }): Actor {
  return {
    organization_id: caller.organization_id,
    actor_id: caller.user?.id,
    actor_name: caller.user?.name ?? 'registry token',
    token_id: caller.token_id,
    request_id: request.id,
    address: request.ip,
  };
}

/** The events of an act on `subject_id`, a whole reference, as a statement takes them. What Larder's jobs push is told by its release. */
export function eventsOf(by: 'LARDER' | Actor, act: Act, subject_id: string): string {
  return JSON.stringify(by === 'LARDER' ? [] : [{ ...by, ...act, subject_id }]);
}
