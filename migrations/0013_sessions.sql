-- People who log in: by a password of this installation, and the sessions that their browsers hold.

create table user_passwords (
  user_id uuid primary key references users,
  organization_id uuid not null references organizations,
  -- The name to log in with: one in the installation, whatever its letters' size.
  email text not null,
  -- scrypt with its parameters and salt, as src/identity/password-hashes.ts writes it.
  password_hash text not null,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now()
);
create unique index user_passwords_by_email on user_passwords (lower(email));

create table sessions (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  user_id uuid not null references users,
  -- SHA-256 of a 256-bit random secret: nothing to guess, so nothing to slow down.
  secret_sha256 bytea not null unique,
  created_at timestamptz(3) not null default now(),
  last_used_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null,
  ended_at timestamptz(3)
);
create index sessions_by_user on sessions (organization_id, user_id);
create index sessions_by_end on sessions (expires_at);
