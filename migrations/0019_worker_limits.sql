-- How each worker keeps its limits on memory and processes; null where it runs no sandbox.
alter table workers
  add column limits text check (limits in ('cgroup-v2', 'cgroup-v1', 'watchdog')),
  add column limits_reasons text[] not null default '{}';
