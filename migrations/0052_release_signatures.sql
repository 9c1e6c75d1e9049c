-- Signatures that were made: a retry, or a second registry, gets the same bytes, so that signatures do not pile up.
create table release_signatures (
  organization_id uuid not null,
  key_id text not null,
  -- Of the signed bytes.
  signed_digest text not null,
  signature bytea not null,
  created_at timestamptz(3) not null default now(),
  primary key (organization_id, key_id, signed_digest),
  foreign key (organization_id, key_id) references release_signing_keys (organization_id, id)
);

-- Empty: the release is older than signatures.
alter table releases add column signing_key_ids text[] not null default '{}';
