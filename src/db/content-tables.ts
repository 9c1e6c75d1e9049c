// The tables of content: its uses, results that can be reused, and the repositories of the hosted registry.
import type { Generated } from 'kysely';
import type { Digest } from '../contract/vocabulary.ts';
import type { Artifact } from '../plan/artifact.ts';
import type { StoredLayer } from '../plan/built-layer.ts';
import type { DefaultTime, Json, OptionalJson, OptionalTime } from './columns.ts';

export type RevisionsTable = { registry_id: string; repository: string; version: string; next: number };

export type CatalogFilesTable = {
  catalog_id: string;
  digest: Digest;
  filename: string;
  mime_type: string;
  size_bytes: number;
};

/** The kinds of rows that use a content. A content with a use is kept. */
export type ContentUseKind =
  | 'base_image'
  | 'customization'
  | 'plan'
  | 'layer'
  | 'artifact'
  | 'release'
  | 'pipeline'
  | 'repository';

export type ContentUsesTable = { digest: Digest; kind: ContentUseKind; id: string };

export type BuiltLayersTable = { key: string; layer: Json<StoredLayer>; built_at: DefaultTime; used_at: DefaultTime };

export type ArtifactsTable = {
  plan_digest: Digest;
  artifact: Json<Artifact>;
  built_at: DefaultTime;
  used_at: DefaultTime;
};

export type RegistryBlobsTable = { registry_id: string; digest: Digest; repository: string };

export type RepositoriesTable = {
  id: Generated<string>;
  organization_id: string | null;
  name: string;
  created_at: DefaultTime;
  larder_since: OptionalTime;
};

export type RepositoryBlobsTable = {
  repository_id: string;
  digest: Digest;
  size_bytes: number;
  created_at: DefaultTime;
};

export type RepositoryManifestsTable = {
  repository_id: string;
  digest: Digest;
  media_type: string;
  size_bytes: number;
  artifact_type: string | null;
  annotations: OptionalJson<Record<string, string>>;
  subject_digest: Digest | null;
  refers_to: Digest[];
  created_at: DefaultTime;
};

export type RepositoryTagsTable = { repository_id: string; tag: string; digest: Digest; updated_at: DefaultTime };

export type RepositoryUploadsTable = {
  id: Generated<string>;
  repository_id: string;
  created_at: DefaultTime;
  updated_at: DefaultTime;
};

/** Packages whose versions are locked. `offered` is the version that the package archive had at the last check. */
export type LockedPackagesTable = {
  id: Generated<number>;
  operating_system_id: string;
  name: string;
  architecture: string;
  version: string;
  offered: string | null;
};

export type ApplicationPackagesTable = { application_id: string; package_id: number };
