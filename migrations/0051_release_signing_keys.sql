-- The keys that sign the releases of an organization. One of them is current; an older one signs too until signs_until, so that
-- clients have time to get the new public key. Public keys stay, because releases that they verify stay.
create table release_signing_keys (
  organization_id uuid not null references organizations (id),
  -- SHA-256 of the public key (SubjectPublicKeyInfo in DER).
  id text not null check (id ~ '^[0-9a-f]{64}$'),
  public_key text not null,
  -- Null once the key signs no more.
  sealed_private_key bytea,
  origin text not null check (origin in ('GENERATED', 'IMPORTED')),
  created_at timestamptz(3) not null default now(),
  created_by text not null,
  -- Null: the current key.
  signs_until timestamptz(3),
  primary key (organization_id, id),
  check (signs_until is not null or sealed_private_key is not null)
);

create unique index release_signing_keys_current on release_signing_keys (organization_id) where signs_until is null;

create trigger refuse_dropped_key before insert or update of sealed_private_key on release_signing_keys
  for each row execute function refuse_dropped_key('sealed_private_key');
