// The audit trail: who changed what, when, and from where. Larder adds this to version 1 of the API.
import { type Static, Type } from 'typebox';
import { defineEndpoint, OWNERS } from './endpoint.ts';
import { GivenTime, Id, Match, Text, Time, Word, withDefault } from './field.ts';
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from './limits.ts';
import { AUDIT_OUTCOMES } from './vocabulary.ts';

export const AuditEvent = Type.Object(
  {
    id: Id('Identifier of the event.'),
    happened_at: Time('When it happened, by the clock of the database.'),
    actor_id: Type.Optional(
      Id('The user who made the change; absent if it was an operator on the machine or Larder itself.'),
    ),
    actor_name: Text('Name of the actor at that time.'),
    token_id: Type.Optional(Id('The API token that the user acted with.')),
    action: Text('Operation id in this document, or a word for an action outside of the API.'),
    outcome: Word(
      AUDIT_OUTCOMES,
      'SUCCEEDED for a change; REFUSED for a log-in with a token that has expired or was revoked.',
    ),
    subject_kind: Type.Optional(Text('Kind of the resource that was changed: application, registry, credential.')),
    subject_id: Type.Optional(Text('Identifier of the resource.')),
    changed_fields: Type.Array(Text('The name of a field.'), {
      description: 'Names of the fields in the request. Their values are not stored.',
    }),
    request_id: Type.Optional(Text('The `X-Request-Id` of the answer.')),
    address: Type.Optional(Text('Client address of the request.')),
  },
  { title: 'AuditEvent' },
);
export type AuditEvent = Static<typeof AuditEvent>;

export const AuditEventsPage = Type.Object(
  {
    page_size: Type.Integer({ description: 'Maximum number of events on a page.' }),
    next_cursor: Type.Optional(Text('Value of `cursor` for the next page; absent on the last page.')),
    items: Type.Array(AuditEvent),
  },
  { title: 'AuditEventsPage' },
);
export type AuditEventsPage = Static<typeof AuditEventsPage>;

/**
 * A cursor. It contains the time of an event in milliseconds since 1970, and the event's id. The next page begins after this
 * event.
 */
const CURSOR = '^[0-9]{1,13}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';

const listAuditEvents = defineEndpoint({
  method: 'GET',
  path: '/larder/v1/audit-events',
  summary: 'List audit events',
  description:
    'Lists every change made through the API, by an operator on the machine, or by Larder itself. Pages are read with a cursor, because events are added meanwhile; the total is not counted.',
  tag: 'Audit trail',
  access: OWNERS,
  query: Type.Object({
    actor_id: Type.Optional(Id('Only events of this user.')),
    action: Type.Optional(Match('Only this action.')),
    subject_id: Type.Optional(Match('Only events about the resource with this identifier.')),
    from: Type.Optional(GivenTime('Only events at this time or later.')),
    to: Type.Optional(GivenTime('Only events before this time.')),
    cursor: Type.Optional(
      Type.String({
        pattern: CURSOR,
        expects: 'the `next_cursor` of a page',
        description: 'The `next_cursor` of the previous page.',
      }),
    ),
    page_size: withDefault(
      Type.Integer({ minimum: 1, maximum: PAGE_SIZE_MAX, description: 'Maximum number of events on a page.' }),
      PAGE_SIZE_DEFAULT,
    ),
  }),
  success: { status: 200, description: 'A page of events, newest first.', body: AuditEventsPage },
  problems: [400],
});

export const auditEventEndpoints = { listAuditEvents };
