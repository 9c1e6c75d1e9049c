-- Orders of large lists: what a list is ordered by is in the row or in a small table beside it, so that a page is read along an index.

-- The application's first registry and its product, which never change, and when the pipeline's distribution began.
alter table pipelines add column registry_id uuid;
alter table pipelines add column product_key text;
alter table pipelines add column distribution_started_at timestamptz(3);
update pipelines l set product_key = a.product_key,
  registry_id = (select ar.registry_id from application_registries ar
    where ar.application_id = a.id order by ar.position limit 1),
  distribution_started_at = (select s.started_at from pipeline_phases s
    where s.pipeline_id = l.id and s.type = 'DISTRIBUTION')
  from applications a where a.id = l.application_id;

create or replace function take_from_application() returns trigger language plpgsql as $$
begin
  select a.base_image_id, a.packaging_type, a.product_key,
      (select ar.registry_id from application_registries ar where ar.application_id = a.id order by ar.position limit 1)
    into new.base_image_id, new.packaging_type, new.product_key, new.registry_id
    from applications a where a.id = new.application_id;
  return new;
end $$;

create function tell_distribution_start() returns trigger language plpgsql as $$
begin
  update pipelines set distribution_started_at = new.started_at
    where id = new.pipeline_id and distribution_started_at is distinct from new.started_at;
  return null;
end $$;
create trigger pipeline_phases_start_told after insert or update of started_at on pipeline_phases
  for each row when (new.type = 'DISTRIBUTION') execute function tell_distribution_start();

create index pipelines_by_registry on pipelines (organization_id, catalog_id, registry_id, started_at desc, id);
create index pipelines_by_product on pipelines (organization_id, catalog_id, product_key, started_at desc, id);
-- One for each direction: what has not begun is last in both.
create index pipelines_by_distribution_start on pipelines
  (organization_id, catalog_id, distribution_started_at desc nulls last, started_at desc, id);
create index pipelines_by_distribution_start_up on pipelines
  (organization_id, catalog_id, distribution_started_at, started_at desc, id);

-- The newest release of an application in any of its registries.
alter table applications add column latest_release_id text;
alter table applications add column latest_release_version text;
alter table applications add column latest_released_at timestamptz(3);
update applications a set latest_release_id = r.id, latest_release_version = r.version, latest_released_at = r.released_at
  from (select distinct on (application_id) application_id, id, version, released_at from releases
    order by application_id, released_at desc, id) r
  where r.application_id = a.id;

create function tell_latest_releases() returns trigger language plpgsql as $$
begin
  update applications a set latest_release_id = r.id, latest_release_version = r.version, latest_released_at = r.released_at
    from (select distinct on (application_id) application_id, id, version, released_at from changed
      order by application_id, released_at desc, id) r
    where a.id = r.application_id and (a.latest_released_at is null or a.latest_released_at < r.released_at
      or (a.latest_released_at = r.released_at and a.latest_release_id > r.id));
  return null;
end $$;
create trigger releases_latest_told after insert on releases
  referencing new table as changed for each statement execute function tell_latest_releases();

-- No release is ever deleted by the house; whoever deletes some by hand leaves the one before as the latest.
create function retell_latest_release() returns trigger language plpgsql as $$
begin
  update applications set (latest_release_id, latest_release_version, latest_released_at) =
      (select r.id, r.version, r.released_at from releases r where r.application_id = old.application_id
        order by r.released_at desc, r.id limit 1)
    where id = old.application_id and latest_release_id = old.id;
  return null;
end $$;
create trigger releases_latest_retold after delete on releases for each row execute function retell_latest_release();

create index applications_by_latest_release on applications
  (organization_id, catalog_id, latest_released_at desc nulls last, id) include (status, product_key);
create index applications_by_creation on applications (organization_id, catalog_id, created_at, id) include (status, product_key);
-- The same with the status, which every list of applications asks about.
create index applications_by_product on applications (organization_id, catalog_id, product_key, id) include (status);
drop index applications_by_catalog;

create index application_requests_by_name on application_requests
  (organization_id, catalog_id, request_type, name, created_at desc, id);
-- A request is as far as its applications; all but few of them are through.
create index applications_under_way on applications (organization_id, catalog_id) include (id) where processing_status <> 'COMPLETED';
