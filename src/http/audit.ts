// Writes the audit trail of requests that changed something. The rows are derived from the contract, in the same way for
// every operation.
import type { EndpointDefinition } from '../contract/endpoint.ts';
import { type AuditEntry, recordAuditEvent } from '../db/audit-trail.ts';
import type { Transaction } from '../db/database.ts';
import type { Reading } from './handler.ts';

/** A change that was just made: the input of the request and its output. */
type Change = { input: Record<string, unknown>; output: unknown };

/** Writes the row of a change, in the transaction of the change. */
export type Audit = (tx: Transaction, context: Reading, change: Change) => Promise<void>;

/**
 * Returns the function that writes the row of an operation. A public operation has no organization, so its function writes
 * nothing.
 */
export function auditOf(operation: string, endpoint: EndpointDefinition, all: readonly EndpointDefinition[]): Audit {
  const names = fieldNames(endpoint);
  const subjectOf = subjectReader(endpoint, all);
  return async (tx, { caller, request }, { input, output }) => {
    if (endpoint.access === 'PUBLIC') return;
    const entry: AuditEntry = {
      organization_id: caller.organization_id,
      actor_id: caller.user_id,
      actor_name: caller.name,
      token_id: caller.token_id,
      action: operation,
      ...subjectOf(input, output),
      // Stores only the names of fields that are in the contract, and no values from clients.
      changed_fields: names.filter((name) => input[name] !== undefined),
      request_id: request.id,
      address: request.ip,
    };
    await recordAuditEvent(tx, entry);
  };
}

type Subject = Pick<AuditEntry, 'subject_kind' | 'subject_id'>;

/** Returns a function that reads the id of the created resource or, if none was created, the last id in the path. */
function subjectReader(
  { path, success }: EndpointDefinition,
  all: readonly EndpointDefinition[],
): (input: Record<string, unknown>, output: unknown) => Subject {
  if (success.status === 201) {
    const shown = all.find(
      (one) => one.method === 'GET' && withoutLastName(one.path) === withoutLastName(success.location),
    );
    const kind = kindOf(lastName(shown?.path ?? ''));
    return (_input, output) => ({ subject_kind: kind, subject_id: (output as { id: string }).id });
  }
  const name = lastName(path);
  if (name === undefined) return () => ({});
  return (input) => ({ subject_kind: kindOf(name), subject_id: String(input[name]).toLowerCase() });
}

/** Returns the name of the last parameter in a path. */
function lastName(path: string): string | undefined {
  return [...path.matchAll(/\{(\w+)\}/g)].at(-1)?.[1];
}

function withoutLastName(path: string): string {
  return path.replace(/\{\w+\}$/, '{}');
}

function kindOf(name: string | undefined): string | undefined {
  return name?.replace(/_id$/, '');
}

/** Returns the fields that the body of this endpoint may have, in any of its variants. */
function fieldNames({ body, form, multipart }: EndpointDefinition): string[] {
  type Shape = { properties?: object; anyOf?: Shape[] };
  const namesIn = ({ properties = {}, anyOf = [] }: Shape): string[] => [
    ...Object.keys(properties),
    ...anyOf.flatMap(namesIn),
  ];
  const shapes = [body, form, multipart?.fields].filter((shape) => shape !== undefined) as Shape[];
  return [...new Set([...shapes.flatMap(namesIn), ...(multipart === undefined ? [] : ['file'])])];
}
