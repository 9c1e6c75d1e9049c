-- Which server without LARDER_PUBLIC_URL wrote the address of the hosted registries: its host and data folder. Only that server
-- replaces the address. null: the address was configured. Empty: not known, the next such server takes it over.
alter table installation add column listen_address_by text;
update installation set listen_address_by = '' where exists (
  select from registries where hosted and removed_at is null)
  and not exists (select from registries where hosted and removed_at is null
    and url !~ '^http://(127\.[0-9.]+|localhost|\[::1\])(:[0-9]+)?/');
