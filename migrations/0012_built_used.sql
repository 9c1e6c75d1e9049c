-- When what was built was last wanted again: what nobody wants for long is forgotten, and its content with it.
alter table built_layers add column used_at timestamptz(3) not null default now();
create index built_layers_by_use on built_layers (used_at);
alter table artifacts add column used_at timestamptz(3) not null default now();
create index artifacts_by_use on artifacts (used_at);
