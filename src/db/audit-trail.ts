// Writes the audit trail. Each change writes its event in the transaction of the change.
import type { AuditOutcome } from '../contract/vocabulary.ts';
import type { Transaction } from './database.ts';

/** An event of the audit trail. It contains no values from request bodies, because these values may be secrets. */
export type AuditEntry = {
  organization_id: string;
  /** Absent if no user acted. The actor's name is then `Larder`, or `operator` for a command on the machine. */
  actor_id?: string | undefined;
  actor_name: string;
  token_id?: string | undefined;
  /** The operation of the contract, or the name of an event that has no operation. */
  action: string;
  outcome?: AuditOutcome;
  /** The kind of the changed object, followed by the object's identifier. */
  subject_kind?: string | undefined;
  subject_id?: string | undefined;
  /** The names of the fields in the request. */
  changed_fields?: string[];
  request_id?: string;
  /** The address of the client. It is never the address of a trusted proxy in front of Larder. */
  address?: string;
};

/** The actor's name in events of commands that an operator runs on the machine. */
export const OPERATOR = 'operator';

/** Writes one event with the time of the transaction. */
export async function recordAuditEvent(tx: Transaction, entry: AuditEntry): Promise<void> {
  await tx.insertInto('audit_events').values(entry).execute();
}
