-- What the last whole look at a registered base image found: a digest is read again only when the tag moves or the checks change.
alter table base_images
  add column inspected_digest text check (inspected_digest ~ '^sha256:[0-9a-f]{64}$'),
  -- Of the checks (INSPECTOR_VERSION in the source).
  add column inspector_version integer,
  -- Why nothing can be built on that digest; null where something can.
  add column refusal text,
  add constraint base_images_inspection_check check ((inspected_digest is null) = (inspector_version is null)
    and (refusal is null or inspected_digest is not null));
