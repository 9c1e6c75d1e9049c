-- The repository of an application names its base image by a key, so that two base images of one operating system never
-- release to one repository.
alter table base_images add column key text;

-- A key is one part of a repository's name, without the two dashes that join parts where a registry's names are flat.
create function base_image_key(name text) returns text language sql immutable as $$
  select coalesce(nullif(trim(both '-' from left(regexp_replace(lower(name), '[^a-z0-9]+', '-', 'g'), 48)), ''), 'base-image')
$$;

-- A shared base image's key is taken in every organization. Those of deleted ones stay taken: their releases are there.
create function is_base_image_key_taken(wanted text, organization uuid) returns boolean language sql stable as $$
  select exists (select from base_images b where b.key = wanted
    and (b.organization_id is null or organization is null or b.organization_id = organization))
$$;

create function free_base_image_key(wanted text, organization uuid) returns text language plpgsql as $$
declare
  candidate text := wanted;
  number integer := 1;
begin
  while is_base_image_key_taken(candidate, organization) loop
    number := number + 1;
    candidate := wanted || '-' || number;
  end loop;
  return candidate;
end $$;

create function derived_base_image_key(image base_images) returns text language sql stable as $$
  select case when image.organization_id is null
    then (select o.key from operating_systems o where o.id = image.operating_system_id)
    else base_image_key(image.name) end
$$;

-- The shared ones first: theirs is the key of their operating system.
do $$
declare
  image base_images;
begin
  for image in select * from base_images order by organization_id is not null, created_at, id loop
    update base_images set key = free_base_image_key(derived_base_image_key(image), image.organization_id)
      where id = image.id;
  end loop;
end $$;
-- A given key is kept; the trigger below replaces the empty one by one that is free.
alter table base_images alter column key set not null, alter column key set default '',
  add constraint base_images_key_check check (key ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(key) <= 64);
create unique index base_images_by_key on base_images (key, organization_id) nulls not distinct;

create function keep_base_image_key() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    raise exception 'the key of a base image is never changed: its repositories are named by it';
  end if;
  -- One after the other: what the other transaction took is seen below.
  perform pg_advisory_xact_lock(hashtextextended('["base image keys"]', 0));
  if coalesce(new.key, '') = '' then
    new.key := free_base_image_key(derived_base_image_key(new), new.organization_id);
  elsif is_base_image_key_taken(new.key, new.organization_id) then
    raise unique_violation using message = 'the key of the base image is taken';
  end if;
  return new;
end $$;
create trigger base_images_get_key before insert on base_images for each row execute function keep_base_image_key();
create trigger base_images_keep_key before update on base_images for each row
  when (old.key is distinct from new.key) execute function keep_base_image_key();

-- Where an application is released in a registry, below the registry's own path: chosen with its first release there and
-- kept. Empty until then, and for the next release where an older one shares its repository with another base image.
alter table application_registries add column repository text;
create index application_registries_by_repository on application_registries (repository);

-- The repository, with its host, of the release before this one in the registry, where that was another repository.
alter table releases add column moved_from text;

with firsts as (
  select distinct on (l.application_id, l.registry_id) l.application_id, l.registry_id, a.base_image_id, l.released_at,
    g.url, regexp_replace(l.repository || '/' || l.artifact_name, '^[^/]+/', '') as path,
    trim(both '/' from regexp_replace(g.url, '^([a-z]+://)?[^/]+', '')) as own
  from releases l join applications a on a.id = l.application_id join registries g on g.id = l.registry_id
  order by l.application_id, l.registry_id, l.released_at, l.id),
holders as (
  select distinct on (lower(url), path) lower(url) as url, path, base_image_id from firsts
  order by lower(url), path, released_at, application_id)
update application_registries ar
  set repository = case when own <> '' and starts_with(f.path, own || '/') then substr(f.path, length(own) + 2) else f.path end
  from firsts f join holders h on h.url = lower(f.url) and h.path = f.path and h.base_image_id = f.base_image_id
  where ar.application_id = f.application_id and ar.registry_id = f.registry_id;
