-- What a POST with an Idempotency-Key answered, so that the same request, sent again within a day, is answered the same.

create table replays (
  organization_id uuid not null references organizations,
  -- As the client chose it.
  key text not null,
  operation text not null,
  -- The answer and the digest of the request, sealed: a password that is shown once is in it.
  sealed_answer bytea not null,
  created_at timestamptz(3) not null default now(),
  primary key (organization_id, key)
);
create index replays_by_age on replays (created_at);
