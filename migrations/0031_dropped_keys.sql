-- Keys that were taken out of the installation's key file. A process that sealed a value and stood still while its key was
-- dropped must not write that value: nobody could open it.
create table dropped_keys (
  id bytea primary key check (length(id) = 8),
  dropped_at timestamptz(3) not null default now()
);

-- The key's id stands behind the first byte of a sealed value (src/identity/sealed.ts). A drop holds these tables in share mode
-- until it commits; a statement that waited for it reads its rows here. As a serialization failure the transaction runs again,
-- and seals with the key of that moment.
create function refuse_dropped_key() returns trigger language plpgsql volatile as $$
declare
  sealed bytea;
begin
  execute format('select ($1).%I', tg_argv[0]) into sealed using new;
  if sealed is not null and exists (select from dropped_keys where id = substring(sealed from 2 for 8)) then
    raise exception 'The value of %.% was sealed with a key that has been dropped', tg_table_name, tg_argv[0]
      using errcode = 'serialization_failure';
  end if;
  return new;
end $$;

create trigger refuse_dropped_key before insert or update of sealed_private_jwk on signing_keys
  for each row execute function refuse_dropped_key('sealed_private_jwk');
create trigger refuse_dropped_key before insert or update of sealed_access_secret on registries
  for each row execute function refuse_dropped_key('sealed_access_secret');
create trigger refuse_dropped_key before insert or update of sealed_settings on notification_providers
  for each row execute function refuse_dropped_key('sealed_settings');
create trigger refuse_dropped_key before insert or update of sealed_answer on replays
  for each row execute function refuse_dropped_key('sealed_answer');
