-- What keeps a pipeline's release from a registry of its application. A registry that has taken it has a release and no row.
create table pipeline_distributions (
  pipeline_id uuid not null references pipelines,
  registry_id uuid not null references registries,
  -- WAITING: away, tried again. FAILED: refused it, or was away too long. SUPERSEDED: gets a newer pipeline's release instead.
  status text not null check (status in ('WAITING', 'FAILED', 'SUPERSEDED')),
  cause text not null,
  -- When it was first found away.
  since timestamptz(3) not null default now(),
  attempts integer not null default 1,
  attempted_at timestamptz(3) not null default now(),
  primary key (pipeline_id, registry_id)
);
create index pipeline_distributions_waiting on pipeline_distributions (registry_id, since) where status = 'WAITING';
