-- The audit trail: who changed what, when, and from where. A row is written in the transaction of the change it tells of.

create table audit_events (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  happened_at timestamptz(3) not null default now(),
  -- The user; absent where no user acted. A name stays readable after its user is gone.
  actor_id uuid,
  actor_name text not null,
  -- The API token behind the call.
  token_id uuid,
  -- An operation of the contract, or a word for what happens beside the API.
  action text not null,
  outcome text not null default 'SUCCEEDED' check (outcome in ('SUCCEEDED', 'REFUSED')),
  subject_kind text,
  subject_id text,
  -- Names of the fields that were given, never what was in them.
  changed_fields text[] not null default '{}',
  request_id text,
  address text
);

-- The list and each of its filters are read in order, the newest first, from the end of one of these.
create index audit_events_by_time on audit_events (organization_id, happened_at desc, id desc);
create index audit_events_by_actor on audit_events (organization_id, actor_id, happened_at desc, id desc) where actor_id is not null;
create index audit_events_by_action on audit_events (organization_id, action, happened_at desc, id desc);
create index audit_events_by_subject on audit_events (organization_id, subject_id, happened_at desc, id desc) where subject_id is not null;
-- The sweep takes the oldest.
create index audit_events_by_age on audit_events (happened_at);

-- Names the installation in its tokens. It was made from the first key, and stays when that key is gone.
alter table installation add column issuer text;
