// The tables of the audit trail.
import type { Generated } from 'kysely';
import type { AuditOutcome } from '../contract/vocabulary.ts';
import type { DefaultTime } from './columns.ts';

export type AuditEventsTable = {
  id: Generated<string>;
  organization_id: string;
  happened_at: DefaultTime;
  actor_id: string | null;
  actor_name: string;
  token_id: string | null;
  action: string;
  outcome: Generated<AuditOutcome>;
  subject_kind: string | null;
  subject_id: string | null;
  changed_fields: Generated<string[]>;
  request_id: string | null;
  address: string | null;
};
