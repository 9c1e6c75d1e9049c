-- People whom a provider of identities vouches for (OpenID Connect).

create table oidc_accounts (
  -- A person at a provider is these two and nothing else: addresses change hands.
  issuer text not null,
  subject text not null,
  organization_id uuid not null references organizations,
  user_id uuid not null references users,
  created_at timestamptz(3) not null default now(),
  last_used_at timestamptz(3) not null default now(),
  primary key (issuer, subject)
);
create index oidc_accounts_by_user on oidc_accounts (organization_id, user_id);

-- Log-ins that came back from the provider, until their time is over: none of them comes back twice, at whichever server.
create table oidc_returns (
  id uuid primary key,
  expires_at timestamptz(3) not null
);
create index oidc_returns_by_end on oidc_returns (expires_at);
