-- Whether a catalog releases images that no worker could start; null: as the installation has workers with sandboxes.
alter table catalogs add column unverified_images text check (unverified_images in ('ALLOWED', 'FORBIDDEN'));

-- When a worker with a sandbox last reported: the installation has sandboxes, also while all of them are down.
alter table installation add column sandbox_seen_at timestamptz(3);
update installation set sandbox_seen_at = (select max(seen_at) from workers where sandbox_mode <> 'files-only');
