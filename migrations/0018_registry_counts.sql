-- How many living applications go to a registry is kept beside them, as how many a catalog holds is.
alter table list_counts add column registry_id uuid;
alter table list_counts drop constraint list_counts_noun_check;
alter table list_counts add constraint list_counts_noun_check
  check (noun in ('application', 'application of registry', 'application request', 'pipeline', 'release'));

create or replace function fold_list_counts(of_catalog uuid, of_noun text) returns void language plpgsql as $$
begin
  with taken as (
    select c.id from list_counts c where c.catalog_id = of_catalog and c.noun = of_noun
      and c.organization_id = (select organization_id from catalogs where id = of_catalog)
    for update skip locked
  ), gone as (
    delete from list_counts c using taken where c.id = taken.id returning c.*
  )
  insert into list_counts (organization_id, catalog_id, noun, status, packaging_type, base_image_id, registry_id, total)
  select organization_id, catalog_id, noun, status, packaging_type, base_image_id, registry_id, sum(total) from gone
  group by organization_id, catalog_id, noun, status, packaging_type, base_image_id, registry_id having sum(total) <> 0;
end $$;

-- The registries of an application are written once, with it.
create function count_application_registries() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, registry_id, total)
  select a.organization_id, a.catalog_id, 'application of registry', changed.registry_id, count(*)
    from changed join applications a on a.id = changed.application_id and a.status <> 'REMOVED' group by 1, 2, 4;
  return null;
end $$;
create trigger application_registries_counted after insert on application_registries
  referencing new table as changed for each statement execute function count_application_registries();

create function count_removed_application() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, registry_id, total)
  select new.organization_id, new.catalog_id, 'application of registry', ar.registry_id, case when new.status = 'REMOVED' then -1 else 1 end
    from application_registries ar where ar.application_id = new.id;
  return null;
end $$;
create trigger applications_removal_counted after update of status on applications
  for each row when ((old.status = 'REMOVED') <> (new.status = 'REMOVED')) execute function count_removed_application();

-- No row of these is ever deleted by the house; whoever deletes some by hand leaves the counts right.
create function uncount_application_registry() returns trigger language plpgsql as $$
begin
  insert into list_counts (organization_id, catalog_id, noun, registry_id, total)
  select a.organization_id, a.catalog_id, 'application of registry', old.registry_id, -1
    from applications a where a.id = old.application_id and a.status <> 'REMOVED';
  return null;
end $$;
create trigger application_registries_uncounted after delete on application_registries
  for each row execute function uncount_application_registry();

insert into list_counts (organization_id, catalog_id, noun, registry_id, total)
  select a.organization_id, a.catalog_id, 'application of registry', ar.registry_id, count(*)
  from application_registries ar join applications a on a.id = ar.application_id and a.status <> 'REMOVED' group by 1, 2, 4;
