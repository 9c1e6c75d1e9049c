-- Who may do what, and how much: users that come and go, tokens with a scope, quotas, subscriptions.

alter table organizations
  add column updated_at timestamptz(3) not null default now(),
  -- Applications that it may have at a time; null: as many as it likes.
  add column applications_max integer check (applications_max >= 0);

alter table users
  add column email text,
  -- May make organizations, see all of them and set their quotas.
  add column installation_owner boolean not null default false,
  add column created_by text not null default 'Larder',
  add column updated_at timestamptz(3) not null default now(),
  add column updated_by text not null default 'Larder',
  add column removed_by text;
create unique index users_by_email on users (organization_id, lower(email)) where removed_at is null;
-- The owner whom the first start made.
update users set installation_owner = true where id = (
  select u.id from users u join organizations o on o.id = u.organization_id
  where u.role = 'OWNER' and u.removed_at is null
  order by o.created_at, o.id, u.created_at, u.id limit 1);

alter table api_tokens
  -- What of its role it reaches, at which door.
  add column scopes text[] not null default '{API,REGISTRY}'
    check (scopes <@ '{API,API_READ,REGISTRY,REGISTRY_PULL}' and scopes <> '{}'),
  add column created_by text not null default 'Larder',
  add column removed_by text;
create index api_tokens_by_organization on api_tokens (organization_id, created_at desc, id);

create table subscriptions (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  product_id text not null,
  starts_at timestamptz(3) not null default now(),
  -- Null: without an end.
  ends_at timestamptz(3),
  created_at timestamptz(3) not null default now(),
  created_by text not null,
  updated_at timestamptz(3) not null default now(),
  updated_by text not null,
  check (ends_at > starts_at)
);
create index subscriptions_by_organization on subscriptions (organization_id, created_at desc, id);
insert into subscriptions (organization_id, product_id, starts_at, created_at, created_by, updated_by)
  select id, 'VAC_FLEXIBLE', created_at, created_at, 'Larder', 'Larder' from organizations;
