// The client that makes a change, and the audit events of the change. Each manifest, tag and delete has one event, which is
// written in the transaction of the change.
import type { FastifyRequest } from 'fastify';
import type { AuditEntry } from '../db/audit-trail.ts';
import type { Caller } from './caller.ts';

/** An audit event without its action: the user or token that makes a request, and the address of the client. */
export type Actor = Omit<AuditEntry, 'action' | 'outcome' | 'subject_kind' | 'subject_id' | 'changed_fields'>;

/**
 * Operations of clients that have an audit event. The push of a blob has none, because without a manifest it makes nothing
 * visible.
 */
type Act = { action: 'pushManifest' | 'deleteManifest' | 'deleteTag' | 'deleteBlob'; subject_kind: string };

/** Returns the SQL that inserts events from a parameter with a JSON array. Callers may append a condition. */
export function insertEvents(parameter: string): string {
  return `insert into audit_events (organization_id, actor_id, actor_name, token_id, action, subject_kind, subject_id, request_id, address)
   select organization_id, actor_id, actor_name, token_id, action, subject_kind, subject_id, request_id, address
   from jsonb_to_recordset(${parameter}::jsonb) as event (organization_id uuid, actor_id uuid, actor_name text, token_id uuid,
     action text, subject_kind text, subject_id text, request_id text, address text)`;
}

/** Returns the client of a request. Only tokens of earlier versions of Larder have no user. */
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

/**
 * Returns the events of an operation, as the parameter of a statement. `subject_id` is a whole reference. A push by a job of
 * Larder has no event, because the release of this push is recorded.
 */
export function eventsOf(by: 'LARDER' | Actor, act: Act, subject_id: string): string {
  return JSON.stringify(by === 'LARDER' ? [] : [{ ...by, ...act, subject_id }]);
}
