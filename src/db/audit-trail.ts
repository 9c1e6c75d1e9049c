// Writes the audit trail: each change writes its row in its own transaction.
import type { AuditOutcome } from '../contract/vocabulary.ts';
import type { Transaction } from './database.ts';

/** A change as recorded. Contains no values from request bodies, because those may be secrets. */
export type AuditEntry = {
  organization_id: string;
  /** Absent if no user acted: the name is then `Larder`, or `operator` for a command on the machine. */
  actor_id?: string | undefined;
  actor_name: string;
  token_id?: string | undefined;
  /** An operation of the contract, or the name of an event outside the API. */
  action: string;
  outcome?: AuditOutcome;
  /** The kind of the changed object, and its identifier. */
  subject_kind?: string | undefined;
  subject_id?: string | undefined;
  /** The names of the fields in the request. */
  changed_fields?: string[];
  request_id?: string;
  /** The address of the caller, not of a trusted proxy in between. */
  address?: string;
};

/** The actor's name for commands on Larder's own machine. */
export const OPERATOR = 'operator';

/** Writes one row. The time is the transaction's. */
export async function recordAuditEvent(tx: Transaction, entry: AuditEntry): Promise<void> {
  await tx.insertInto('audit_events').values(entry).execute();
}
