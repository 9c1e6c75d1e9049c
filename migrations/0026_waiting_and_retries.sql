-- Since when a registry or a base image cannot be used: pipelines say since when they wait for it.
alter table registries add column unhealthy_since timestamptz(3);
alter table base_images add column unhealthy_since timestamptz(3);

create function keep_unhealthy_since() returns trigger language plpgsql as $$
begin
  if new.healthy is distinct from false then
    new.unhealthy_since := null;
  elsif tg_op = 'INSERT' or old.healthy is distinct from false then
    new.unhealthy_since := now();
  end if;
  return new;
end $$;
create trigger registries_unhealthy_since before insert or update of healthy on registries
  for each row execute function keep_unhealthy_since();
create trigger base_images_unhealthy_since before insert or update of healthy on base_images
  for each row execute function keep_unhealthy_since();

-- Nothing older is known than the last look.
update registries set unhealthy_since = last_checked_at where healthy = false;
update base_images set unhealthy_since = last_checked_at where healthy = false;

-- The failed pipeline whose plan this one takes.
alter table pipelines add column retry_of_id uuid references pipelines (id);
