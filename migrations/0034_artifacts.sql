-- Artifacts get the shape of src/plan/artifact.ts: a root with parts, which says nothing that only an image has.

create function pg_temp.artifact_of(old jsonb) returns jsonb language sql immutable as $$
  select jsonb_build_object(
    'format', 1,
    'packaging_type', 'CONTAINER_IMAGE',
    'roots', jsonb_build_object('all', jsonb_build_object(
      'descriptor', old -> 'index',
      'content', old #> '{manifests,0,config}',
      'parts', (
        select jsonb_agg(jsonb_build_object(
          'platform', image -> 'platform',
          'manifest', image -> 'manifest',
          'blobs', jsonb_build_array(image -> 'config') || (image -> 'layers')) order by place)
        from jsonb_array_elements(old -> 'manifests') with ordinality as list (image, place)))),
    'component_sources', case when old ? 'packages'
      then jsonb_build_array(jsonb_build_object('format', 'DPKG_STATUS', 'digest', old -> 'packages')) else '[]' end,
    'reports', coalesce(old -> 'metadata', '[]'))
$$;

update artifacts set artifact = pg_temp.artifact_of(artifact) where artifact ? 'index';
update pipelines set artifact = pg_temp.artifact_of(artifact) where artifact ? 'index';

drop function pg_temp.artifact_of(jsonb);
