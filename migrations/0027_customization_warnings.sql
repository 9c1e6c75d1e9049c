-- Warnings of inspections become records with a code; what older versions wrote as sentences is read once more here.
-- An older inspection also wrote defaults of users as if they had been declared, which then replaced what an account of the
-- image had: without them an account of the image keeps its group, home and shell, and a new one still gets the defaults.

create function pg_temp.warning_of(old text) returns jsonb language sql immutable as $$
  select case
    when old like 'extended attributes%' then jsonb_build_object('code', 'ATTRIBUTES_LOST', 'message', 'Extended attributes are left out.')
    when old like '/% holds a private key%' then jsonb_build_object(
      'code', 'PRIVATE_KEY_KEPT', 'message', 'The file holds a private key, which everyone who can pull the image will have.',
      'path', 'rootfs' || regexp_replace(old, ' holds a private key.*$', ''))
    when old like '/% loses its setuid%' then jsonb_build_object(
      'code', 'SPECIAL_MODE_LOST', 'message', 'It loses its setuid, setgid or sticky bit; declare its mode under files to keep it.',
      'path', 'rootfs' || regexp_replace(old, ' loses its setuid.*$', ''))
    when old like '% is a link and is not added to the trust store' then jsonb_build_object(
      'code', 'CERTIFICATE_SKIPPED', 'message', 'The file is a link and is not added to the trust store.',
      'path', regexp_replace(old, ' is a link and is not added to the trust store$', ''))
    when old like '% is not valid yet' then jsonb_build_object('code', 'CERTIFICATE_NOT_YET_VALID', 'message', upper(left(old, 1)) || substr(old, 2) || '.')
    else jsonb_build_object('code', 'CERTIFICATE_NOT_AUTHORITY', 'message', upper(left(old, 1)) || substr(old, 2) || '.')
  end
$$;

create function pg_temp.user_of(old jsonb) returns jsonb language sql immutable as $$
  select old
    - case when old ->> 'home' = '/nonexistent' then 'home' else '' end
    - case when old ->> 'shell' = '/usr/sbin/nologin' then 'shell' else '' end
    - case when old -> 'gid' = old -> 'uid' then 'gid' else '' end
$$;

update customization_versions set inspection = inspection || jsonb_build_object(
  'warnings', coalesce((
    select jsonb_agg(pg_temp.warning_of(warning) order by place)
    from jsonb_array_elements_text(inspection -> 'warnings') with ordinality as list (warning, place)), '[]'),
  'more_warnings_count', 0);

update customization_versions set inspection = jsonb_set(inspection, '{declaration,users}', (
  select jsonb_agg(pg_temp.user_of(declared) order by place)
  from jsonb_array_elements(inspection #> '{declaration,users}') with ordinality as list (declared, place)))
where jsonb_array_length(inspection #> '{declaration,users}') > 0;

drop function pg_temp.warning_of(text);
drop function pg_temp.user_of(jsonb);
