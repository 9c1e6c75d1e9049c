-- Versions are put in order as versions, and operating systems know the day on which they end.

-- From library data; null: no end is known.
alter table operating_systems add column end_of_life_at date;

-- A text that sorts, byte by byte, as Debian sorts upstream's versions (deb-version(7)): pieces without a digit by character
-- (the tilde before the end, the end before letters, letters before everything else), numbers by value, in turns. A hyphen
-- begins a pre-release (Semantic Versioning, section 9) and counts as a tilde. A number is its length and its digits.
create function version_key(version text) returns text language sql immutable strict parallel safe as $$
  select string_agg(
      translate(regexp_replace(piece[1], '([^A-Za-z~-])', '{\1', 'g'), '~-', '!!') || '#'
        || lpad(length(ltrim(piece[2], '0'))::text, 3, '0') || ltrim(piece[2], '0'), '' order by place)
    from regexp_matches(version, '([^0-9]*)([0-9]*)', 'g') with ordinality as found (piece, place)
$$;

alter table applications add column latest_release_version_key text collate "C"
  generated always as (version_key(latest_release_version)) stored;
-- One for each direction: what has no release is last in both.
create index applications_by_version on applications (organization_id, catalog_id, latest_release_version_key)
  include (status, product_key);
create index applications_by_version_down on applications
  (organization_id, catalog_id, latest_release_version_key desc nulls last) include (status, product_key);

-- A licence of a recipe is more than its key.
update products set recipe = jsonb_set(recipe, '{licenses}', coalesce(
    (select jsonb_agg(jsonb_build_object('key', said.license))
      from jsonb_array_elements_text(recipe -> 'licenses') as said (license)), '[]'))
  where jsonb_typeof(recipe -> 'licenses') = 'array';
