-- A repository of the hosted registry that Larder has pushed to, or that a release names, is Larder's from then on: clients
-- push no versions to it and delete nothing from it, whatever becomes of the release and its application.
alter table repositories add column larder_since timestamptz(3);

-- The name in the hosted registry: what a release says without the registry's host, which may change.
create function released_repository(repository text, artifact_name text) returns text language sql immutable as
  $$ select regexp_replace(repository || '/' || artifact_name, '^[^/]+/', '') $$;

-- Workers claim a repository when they push to it. This holds for every release, also for those of a worker that does not yet.
create function claim_released_repositories() returns trigger language plpgsql as $$
begin
  insert into repositories (organization_id, name, larder_since)
  select distinct o.id, released_repository(n.repository, n.artifact_name), now()
    from released n join registries g on g.id = n.registry_id and g.hosted join organizations o on o.id = n.organization_id
    where split_part(released_repository(n.repository, n.artifact_name), '/', 1) = o.namespace
      -- Mostly it is claimed; then nothing is written and nothing locked.
      and not exists (select from repositories r
        where r.name = released_repository(n.repository, n.artifact_name) and r.larder_since is not null)
  on conflict (name) do update set larder_since = excluded.larder_since
    where repositories.larder_since is null and repositories.organization_id = excluded.organization_id;
  return null;
end $$;
create trigger releases_claim_repositories after insert on releases
  referencing new table as released for each statement execute function claim_released_repositories();

insert into repositories (organization_id, name, larder_since)
  select o.id, released_repository(l.repository, l.artifact_name), min(l.released_at)
  from releases l join registries g on g.id = l.registry_id and g.hosted join organizations o on o.id = l.organization_id
  where split_part(released_repository(l.repository, l.artifact_name), '/', 1) = o.namespace group by 1, 2
  on conflict (name) do update set larder_since = excluded.larder_since
    where repositories.organization_id = excluded.organization_id;
-- Base images.
update repositories set larder_since = created_at where organization_id is null;
