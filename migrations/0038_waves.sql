-- Waves, the dependency graph of applications, and applications that nobody requested.

-- False: it is here because others need it. Such an application is absent from lists, counts and quotas.
alter table applications add column requested boolean not null default true;
-- Steps down the graph to an application that needs none. Locks are taken in this order: what is needed before what needs it.
alter table applications add column depth integer not null default 0;
-- The application's, kept by triggers.
alter table pipelines add column requested boolean not null default true;

create table application_dependencies (
  application_id uuid not null references applications,
  needs_id uuid not null references applications,
  primary key (application_id, needs_id),
  check (application_id <> needs_id)
);
create index application_dependencies_by_needed on application_dependencies (needs_id);

-- What one cause sets off in one catalog.
create table waves (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  catalog_id uuid not null references catalogs,
  cause text not null check (cause in ('REQUEST', 'CUSTOMIZATION', 'BASE_IMAGE', 'PACKAGE', 'VERSION', 'RECIPE',
    'WITHOUT_CUSTOMIZATION', 'RETRY', 'REBUILD')),
  created_at timestamptz(3) not null default now(),
  -- Absent: Larder's own.
  created_by text
);
create index waves_by_catalog on waves (organization_id, catalog_id, created_at desc, id);

-- A pipeline serves the wave that made it, and those of the pipelines that it replaced.
create table wave_pipelines (
  wave_id uuid not null references waves,
  pipeline_id uuid not null references pipelines,
  primary key (wave_id, pipeline_id)
);
create index wave_pipelines_by_pipeline on wave_pipelines (pipeline_id);
-- The wave that made it; absent for pipelines from before waves.
alter table pipelines add column wave_id uuid references waves;

-- follows: of the same application, runs when the other has ended. needs: of a needed application, runs when it has succeeded.
alter table pipeline_edges add column kind text not null default 'follows' check (kind in ('follows', 'needs'));

-- Counts tell what nobody requested apart from the rest.
alter table list_counts drop constraint list_counts_noun_check;
alter table list_counts add constraint list_counts_noun_check check (noun in ('application', 'hidden application',
  'application of registry', 'application request', 'pipeline', 'hidden pipeline', 'release'));

create function counted_noun(noun text, requested boolean) returns text language sql immutable as $$
  select case when requested then noun else 'hidden ' || noun end
$$;

create or replace function take_from_application() returns trigger language plpgsql as $$
begin
  select a.base_image_id, a.packaging_type, a.product_key, a.requested,
      (select ar.registry_id from application_registries ar where ar.application_id = a.id order by ar.position limit 1)
    into new.base_image_id, new.packaging_type, new.product_key, new.requested, new.registry_id
    from applications a where a.id = new.application_id;
  return new;
end $$;

create function tell_requested() returns trigger language plpgsql as $$
begin
  update pipelines set requested = new.requested where application_id = new.id;
  return null;
end $$;
create trigger applications_requested_told after update of requested on applications
  for each row when (old.requested <> new.requested) execute function tell_requested();

create or replace function count_applications() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, status, packaging_type, base_image_id, total)
  select organization_id, catalog_id, counted_noun('application', requested), status, packaging_type, base_image_id, count(*)
    from changed group by 1, 2, 3, 4, 5, 6;
  return null;
end $$;
create or replace function count_pipelines() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, status, packaging_type, base_image_id, total)
  select organization_id, catalog_id, counted_noun('pipeline', requested), status, packaging_type, base_image_id, count(*)
    from changed group by 1, 2, 3, 4, 5, 6;
  return null;
end $$;

create or replace function count_status_change() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, status, packaging_type, base_image_id, total)
  values (old.organization_id, old.catalog_id, counted_noun(tg_argv[0], old.requested), old.status, old.packaging_type,
      old.base_image_id, -1),
    (new.organization_id, new.catalog_id, counted_noun(tg_argv[0], new.requested), new.status, new.packaging_type,
      new.base_image_id, 1);
  return null;
end $$;
drop trigger applications_status_counted on applications;
create trigger applications_status_counted after update of status, requested on applications
  for each row when (old.status <> new.status or old.requested <> new.requested)
  execute function count_status_change('application');
drop trigger pipelines_status_counted on pipelines;
create trigger pipelines_status_counted after update of status, requested on pipelines
  for each row when (old.status <> new.status or old.requested <> new.requested)
  execute function count_status_change('pipeline');

create or replace function uncount_deleted() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, status, packaging_type, base_image_id, total)
  values (old.organization_id, old.catalog_id,
    counted_noun(tg_argv[0], coalesce((to_jsonb(old) ->> 'requested')::boolean, true)),
    to_jsonb(old) ->> tg_argv[1], to_jsonb(old) ->> tg_argv[2], (to_jsonb(old) ->> tg_argv[3])::uuid, -1);
  return null;
end $$;

create or replace function count_application_registries() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, registry_id, total)
  select a.organization_id, a.catalog_id, 'application of registry', changed.registry_id, count(*)
    from changed join applications a on a.id = changed.application_id and a.status <> 'REMOVED' and a.requested
    group by 1, 2, 4;
  return null;
end $$;
drop trigger applications_removal_counted on applications;
create or replace function count_removed_application() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, registry_id, total)
  select new.organization_id, new.catalog_id, 'application of registry', ar.registry_id,
      case when new.status <> 'REMOVED' and new.requested then 1 else -1 end
    from application_registries ar where ar.application_id = new.id;
  return null;
end $$;
create trigger applications_removal_counted after update of status, requested on applications
  for each row when ((old.status <> 'REMOVED' and old.requested) <> (new.status <> 'REMOVED' and new.requested))
  execute function count_removed_application();
create or replace function uncount_application_registry() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, registry_id, total)
  select a.organization_id, a.catalog_id, 'application of registry', old.registry_id, -1
    from applications a where a.id = old.application_id and a.status <> 'REMOVED' and a.requested;
  return null;
end $$;
