-- Owners are warned by mail before their last way in ends: a row for each warning of an end, so that each is sent once.

create table way_in_warnings (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  -- When the last way in ends. Another end, after a new token, is warned of again.
  ends_at timestamptz(3) not null,
  -- The warning for the last so many days; 0: it has ended.
  days integer not null check (days >= 0),
  created_at timestamptz(3) not null default now(),
  -- Null until the mail server took it.
  mailed_at timestamptz(3),
  unique (organization_id, ends_at, days)
);
