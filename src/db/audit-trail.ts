// Writes the audit trail: whoever changes something writes its row in the transaction of the change.
import type { AuditOutcome } from '../contract/vocabulary.ts';
import type { Transaction } from './database.ts';

/** What is told of a change. Nothing in it is a value that somebody sent in a body: those may be secrets. */
export type AuditEntry = {
  organization_id: string;
  /** Absent where no user acted: then the name is `Larder`, or `operator` for a command on the machine. */
  actor_id?: string | undefined;
  actor_name: string;
  token_id?: string | undefined;
  /** An operation of the contract, or a word for what happens beside the API. */
  action: string;
  outcome?: AuditOutcome;
  /** What was touched, and its identifier. */
  subject_kind?: string | undefined;
  subject_id?: string | undefined;
  /** Names of the fields that were given. */
  changed_fields?: string[];
  request_id?: string;
  /** Of the caller, behind trusted proxies too. */
  address?: string;
};

/** The name in the trail of who runs commands on Larder's own machine. */
export const OPERATOR = 'operator';

/** Writes one row. The time is the transaction's. */
export async function recordAuditEvent(tx: Transaction, entry: AuditEntry): Promise<void> {
  await tx.insertInto('audit_events').values(entry).execute();
}
