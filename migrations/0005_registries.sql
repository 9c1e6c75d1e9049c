-- Registries: what each one can do, when it is looked at, and the credentials that open the hosted ones for pulling.

-- Docker Hub: where charts go, when not to the organization of the images, which is part of the address.
alter table registries add column charts_organization text;
-- Capabilities of src/contract/registry-capabilities.ts as last probed, and when; absent: not probed, nothing is known.
alter table registries add column capabilities jsonb;
alter table registries add column capabilities_at timestamptz(3);
-- A check that runs holds the registry until this moment, so that there is one at a time and a dead worker's ends.
alter table registries add column checked_until timestamptz(3);

-- The schedule takes those that nobody looked at for longest.
create index registries_to_check on registries (last_checked_at nulls first) where removed_at is null and not hosted;
create index base_images_to_check on base_images (last_checked_at nulls first) where status <> 'DELETED' and source = 'REGISTRY';
create index base_images_by_registry on base_images (registry_id) where removed_at is null;

create table registry_credentials (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  -- A hosted one.
  registry_id uuid not null references registries,
  -- The user name that goes with the password.
  name text not null unique,
  description text not null,
  -- SHA-256 of a 256-bit random secret: nothing to guess, so nothing to slow down.
  secret_sha256 bytea not null unique,
  created_at timestamptz(3) not null default now(),
  created_by text not null,
  expires_at timestamptz(3) not null,
  last_used_at timestamptz(3),
  removed_at timestamptz(3),
  removed_by text
);
create index registry_credentials_by_registry on registry_credentials (registry_id, created_at desc, id);
