-- A worker without a sandbox inspects an image without running it; a worker with one then inspects the same digest again.
alter table base_images add column inspected_in_sandbox boolean not null default false;
