-- Lists over many rows: how many there are is kept beside them, and each order and filter of a large list has its index.

-- How many applications, requests, pipelines and releases a catalog holds, in parts that are added up by whoever asks. A change
-- adds a row and touches none, so that writers wait for nobody, a rollback takes its part back, and a reader counts exactly the
-- rows that it sees. Now and then a writer folds old parts into one, leaving out those that another is folding.
create table list_counts (
  id bigserial primary key,
  organization_id uuid not null,
  catalog_id uuid not null,
  noun text not null check (noun in ('application', 'application request', 'pipeline', 'release')),
  -- A request's type for a request; absent for a release, like the rest.
  status text,
  packaging_type text,
  base_image_id uuid,
  total bigint not null
);
create index list_counts_by_catalog on list_counts (organization_id, catalog_id, noun);

create function fold_list_counts(of_catalog uuid, of_noun text) returns void language plpgsql as $$
begin
  with taken as (
    select c.id from list_counts c where c.catalog_id = of_catalog and c.noun = of_noun
      and c.organization_id = (select organization_id from catalogs where id = of_catalog)
    for update skip locked
  ), gone as (
    delete from list_counts c using taken where c.id = taken.id returning c.*
  )
  insert into list_counts (organization_id, catalog_id, noun, status, packaging_type, base_image_id, total)
  select organization_id, catalog_id, noun, status, packaging_type, base_image_id, sum(total) from gone
  group by organization_id, catalog_id, noun, status, packaging_type, base_image_id having sum(total) <> 0;
end $$;

-- Every 64th part: sums stay short, and folding is a small share of writing.
create function fold_sometimes() returns trigger language plpgsql as $$
begin
  perform fold_list_counts(new.catalog_id, new.noun);
  return null;
end $$;
create trigger list_counts_fold after insert on list_counts
  for each row when (new.id % 64 = 0 and pg_trigger_depth() < 2) execute function fold_sometimes();

-- The application's, which never change: filters of pipelines need no join.
alter table pipelines add column base_image_id uuid;
alter table pipelines add column packaging_type text;
update pipelines l set base_image_id = a.base_image_id, packaging_type = a.packaging_type
  from applications a where a.id = l.application_id;

create function take_from_application() returns trigger language plpgsql as $$
begin
  select a.base_image_id, a.packaging_type into new.base_image_id, new.packaging_type
    from applications a where a.id = new.application_id;
  return new;
end $$;
create trigger pipelines_of_application before insert on pipelines
  for each row execute function take_from_application();

create function count_applications() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, status, packaging_type, base_image_id, total)
  select organization_id, catalog_id, 'application', status, packaging_type, base_image_id, count(*) from changed group by 1, 2, 4, 5, 6;
  return null;
end $$;
create function count_application_requests() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, status, total)
  select organization_id, catalog_id, 'application request', request_type, count(*) from changed group by 1, 2, 4;
  return null;
end $$;
create function count_pipelines() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, status, packaging_type, base_image_id, total)
  select organization_id, catalog_id, 'pipeline', status, packaging_type, base_image_id, count(*) from changed group by 1, 2, 4, 5, 6;
  return null;
end $$;
create function count_releases() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, total)
  select organization_id, catalog_id, 'release', count(*) from changed group by 1, 2;
  return null;
end $$;
create trigger applications_counted after insert on applications
  referencing new table as changed for each statement execute function count_applications();
create trigger application_requests_counted after insert on application_requests
  referencing new table as changed for each statement execute function count_application_requests();
create trigger pipelines_counted after insert on pipelines
  referencing new table as changed for each statement execute function count_pipelines();
create trigger releases_counted after insert on releases
  referencing new table as changed for each statement execute function count_releases();

-- Of an application or a pipeline the status alone changes, a row at a time; argument: the noun.
create function count_status_change() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, status, packaging_type, base_image_id, total)
  values (old.organization_id, old.catalog_id, tg_argv[0], old.status, old.packaging_type, old.base_image_id, -1),
    (new.organization_id, new.catalog_id, tg_argv[0], new.status, new.packaging_type, new.base_image_id, 1);
  return null;
end $$;
create trigger applications_status_counted after update of status on applications
  for each row when (old.status <> new.status) execute function count_status_change('application');
create trigger pipelines_status_counted after update of status on pipelines
  for each row when (old.status <> new.status) execute function count_status_change('pipeline');

-- No row of these is ever deleted by the house; whoever deletes some by hand leaves the counts right.
create function uncount_deleted() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, status, packaging_type, base_image_id, total)
  values (old.organization_id, old.catalog_id, tg_argv[0], to_jsonb(old) ->> tg_argv[1], to_jsonb(old) ->> tg_argv[2],
    (to_jsonb(old) ->> tg_argv[3])::uuid, -1);
  return null;
end $$;
create trigger applications_uncounted after delete on applications
  for each row execute function uncount_deleted('application', 'status', 'packaging_type', 'base_image_id');
create trigger application_requests_uncounted after delete on application_requests
  for each row execute function uncount_deleted('application request', 'request_type', '', '');
create trigger pipelines_uncounted after delete on pipelines
  for each row execute function uncount_deleted('pipeline', 'status', 'packaging_type', 'base_image_id');
create trigger releases_uncounted after delete on releases
  for each row execute function uncount_deleted('release', '', '', '');

insert into list_counts (organization_id, catalog_id, noun, status, packaging_type, base_image_id, total)
  select organization_id, catalog_id, 'application', status, packaging_type, base_image_id, count(*) from applications group by 1, 2, 4, 5, 6
  union all
  select organization_id, catalog_id, 'application request', request_type, null, null, count(*) from application_requests group by 1, 2, 4
  union all
  select organization_id, catalog_id, 'pipeline', status, packaging_type, base_image_id, count(*) from pipelines group by 1, 2, 4, 5, 6
  union all
  select organization_id, catalog_id, 'release', null, null, null, count(*) from releases group by 1, 2;

create index pipelines_by_status on pipelines (organization_id, catalog_id, status, started_at desc, id);
create index pipelines_by_base_image on pipelines (organization_id, catalog_id, base_image_id, started_at desc, id);
create index pipelines_by_packaging_type on pipelines (organization_id, catalog_id, packaging_type, started_at desc, id);
-- Also finds the newest release in a registry, which every release shown tells.
create index releases_by_application_and_registry on releases (application_id, registry_id, released_at desc, id);

-- The pipeline's, so that a customization that touched every application is told without looking at every pipeline.
alter table customization_applications add column pipeline_status text;
alter table customization_applications add column pipeline_started_at timestamptz(3);
update customization_applications ca set pipeline_status = l.status, pipeline_started_at = l.started_at
  from pipelines l where l.id = ca.pipeline_id;

-- Held until the transaction ends, so that a status that changes meanwhile is written here after this row is there.
create function take_from_pipeline() returns trigger language plpgsql as $$
begin
  select l.status, l.started_at into new.pipeline_status, new.pipeline_started_at
    from pipelines l where l.id = new.pipeline_id for share;
  return new;
end $$;
create trigger customization_applications_of_pipeline before insert or update of pipeline_id on customization_applications
  for each row execute function take_from_pipeline();

create function tell_customization_applications() returns trigger language plpgsql as $$
begin
  update customization_applications set pipeline_status = new.status where pipeline_id = new.id;
  return null;
end $$;
create trigger pipelines_status_told after update of status on pipelines
  for each row when (old.status <> new.status) execute function tell_customization_applications();

create index customization_applications_newest on customization_applications
  (customization_id, version, operation, pipeline_started_at desc, application_id) where pipeline_status <> 'CANCELLED';
create index customization_applications_by_status on customization_applications
  (customization_id, version, operation, pipeline_status, pipeline_started_at desc);
