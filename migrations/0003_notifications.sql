-- Notifications: where an organization wants to hear of what happens, what happened, and how each message fared.

create table notification_providers (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  name text not null,
  type text not null check (type in ('EMAIL', 'SLACK', 'GOOGLE_CHAT')),
  enabled boolean not null default true,
  -- NotificationTypes of src/contract/notification-event.ts that it is told of.
  notification_types text[] not null,
  -- E-mail only, and only when somebody named them: else the organization's owners.
  recipients text[],
  -- JSON of its secrets, sealed with the installation's key; forgotten when it is removed.
  sealed_settings bytea,
  -- What is shown of them: stars and the last characters.
  masked jsonb not null default '{}',
  created_at timestamptz(3) not null default now(),
  created_by text not null,
  updated_at timestamptz(3) not null default now(),
  updated_by text not null,
  removed_at timestamptz(3),
  removed_by text
);
create index notification_providers_by_organization on notification_providers (organization_id, created_at desc, id);

-- Written in the transaction of what it tells.
create table notification_events (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  -- What happened, once: the same key is not told again.
  key text not null,
  event jsonb not null,
  created_at timestamptz(3) not null default now(),
  unique (organization_id, key)
);
create index notification_events_by_age on notification_events (created_at);

create table notification_deliveries (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  provider_id uuid not null references notification_providers,
  event_id uuid not null references notification_events on delete cascade,
  type text not null,
  status text not null default 'PENDING' check (status in ('PENDING', 'DELIVERED', 'FAILED')),
  attempts integer not null default 0,
  last_error text,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  delivered_at timestamptz(3),
  -- An attempt holds the delivery until this moment, so that there is one at a time and a dead worker's ends.
  attempt_until timestamptz(3),
  unique (provider_id, event_id)
);
create index notification_deliveries_by_provider on notification_deliveries (provider_id, created_at desc, id);
create index notification_deliveries_by_event on notification_deliveries (event_id);
