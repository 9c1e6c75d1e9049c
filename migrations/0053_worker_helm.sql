-- The version of helm with which each worker renders charts; null where it cannot, for these reasons.
alter table workers
  add column helm text,
  add column helm_reasons text[] not null default '{}';
