-- The ground floor: who, what may be chosen, what was chosen, what was built for it, and where content is used.
-- Rows hold digests, never bytes. Times are millisecond timestamps so that what is compared equals what is shown.

create table installation (
  only_one boolean primary key default true check (only_one),
  -- A known text sealed with the installation's key: a server with another key is refused at start.
  key_check bytea not null,
  created_at timestamptz(3) not null default now()
);

-- The pairs that sign access tokens; the private half is sealed with the installation's key.
create table signing_keys (
  kid text primary key,
  public_jwk jsonb not null,
  sealed_private_jwk bytea not null,
  created_at timestamptz(3) not null default now()
);

create table organizations (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  -- First segment of the organization's paths in the hosted registry.
  namespace text not null unique,
  created_at timestamptz(3) not null default now()
);

create table users (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  name text not null,
  role text not null check (role in ('OWNER', 'EDITOR', 'VIEWER')),
  created_at timestamptz(3) not null default now(),
  removed_at timestamptz(3)
);
create index users_by_organization on users (organization_id);

create table api_tokens (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  user_id uuid not null references users,
  name text not null,
  -- SHA-256 of a 256-bit random secret: nothing to guess, so nothing to slow down.
  secret_sha256 bytea not null unique,
  role text not null check (role in ('OWNER', 'EDITOR', 'VIEWER')),
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null,
  last_used_at timestamptz(3),
  removed_at timestamptz(3)
);
create index api_tokens_by_user on api_tokens (organization_id, user_id);

create table catalogs (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  name text not null,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  removed_at timestamptz(3)
);
create index catalogs_by_organization on catalogs (organization_id, created_at desc, id);

create table operating_systems (
  id uuid primary key default gen_random_uuid(),
  -- As paths and links spell it: debian-12.
  key text not null unique,
  name text not null,
  distro text not null,
  version text not null,
  codename text not null,
  status text not null default 'ACTIVE' check (status in ('ACTIVE', 'DEPRECATED', 'REPLACED')),
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  deprecated_at timestamptz(3),
  replaced_by uuid references operating_systems,
  replaced_at timestamptz(3)
);

create table products (
  key text primary key,
  id uuid not null unique default gen_random_uuid(),
  name text not null,
  description text not null,
  long_display_name text not null,
  disclaimer text not null,
  category text not null,
  licenses text[] not null,
  home_url text,
  status text not null default 'ACTIVE',
  -- The checked recipe as JSON: what a pipeline plans from.
  recipe jsonb not null,
  recipe_digest text not null,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now()
);

create table product_branches (
  product_key text not null references products,
  branch text not null,
  id uuid not null unique default gen_random_uuid(),
  end_of_life_at date,
  created_at timestamptz(3) not null default now(),
  primary key (product_key, branch)
);

-- What the resolvers found: this version of this branch can be had on this operating system.
create table product_versions (
  product_key text not null,
  branch text not null,
  operating_system_id uuid not null references operating_systems,
  version text not null,
  id uuid not null unique default gen_random_uuid(),
  -- The main input that gives the version, with the distribution's full version in it.
  purl text not null,
  discovered_at timestamptz(3) not null default now(),
  -- False once a newer one of the same branch took its place.
  is_latest boolean not null default true,
  primary key (product_key, branch, operating_system_id, version),
  foreign key (product_key, branch) references product_branches
);

create table offerings (
  id uuid primary key default gen_random_uuid(),
  product_key text not null,
  branch text not null,
  packaging_type text not null check (packaging_type in ('HELM_CHART', 'OVA', 'CONTAINER_IMAGE')),
  status text not null default 'ENABLED' check (status in ('ENABLED', 'HIDDEN', 'DEPRECATED')),
  created_at timestamptz(3) not null default now(),
  unique (product_key, branch, packaging_type),
  foreign key (product_key, branch) references product_branches
);

create table offering_operating_systems (
  offering_id uuid not null references offerings,
  operating_system_id uuid not null references operating_systems,
  primary key (offering_id, operating_system_id)
);

create table registries (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  name text not null,
  description text,
  provider text not null,
  -- scheme://host:port with an optional path under which repositories are made; for the hosted one the public address and the namespace.
  url text not null,
  hosted boolean not null default false,
  access_key text,
  sealed_access_secret bytea,
  healthy boolean,
  last_checked_at timestamptz(3),
  unhealthy_cause text,
  created_at timestamptz(3) not null default now(),
  created_by text,
  updated_at timestamptz(3) not null default now(),
  updated_by text,
  removed_at timestamptz(3),
  removed_by text
);
create index registries_by_organization on registries (organization_id, name, id);
create unique index registries_one_hosted on registries (organization_id) where hosted and removed_at is null;

create table base_images (
  id uuid primary key default gen_random_uuid(),
  -- Absent: shared by every organization of the installation.
  organization_id uuid references organizations,
  name text not null,
  description text,
  -- ARCHIVE: built by us from the package archive. REGISTRY: followed by digest in a registry.
  source text not null check (source in ('ARCHIVE', 'REGISTRY')),
  registry_id uuid references registries,
  -- ARCHIVE: repository:tag in the hosted registry. REGISTRY: repository:tag relative to the registry.
  container_image text not null,
  operating_system_id uuid not null references operating_systems,
  status text not null default 'ACTIVE' check (status in ('ACTIVE', 'DEPRECATED', 'DELETED')),
  healthy boolean,
  last_checked_at timestamptz(3),
  unhealthy_cause text,
  created_at timestamptz(3) not null default now(),
  created_by text,
  updated_at timestamptz(3) not null default now(),
  updated_by text,
  removed_at timestamptz(3),
  removed_by text,
  deprecated_at timestamptz(3)
);
create index base_images_by_organization on base_images (organization_id, name, id);

-- Every digest a base image ever had; the newest is the one plans pin.
create table base_image_versions (
  base_image_id uuid not null references base_images,
  digest text not null,
  -- A BasePin of src/build/plan.ts.
  pin jsonb not null,
  recorded_at timestamptz(3) not null default now(),
  primary key (base_image_id, digest)
);
create index base_image_versions_newest on base_image_versions (base_image_id, recorded_at desc);

create table applications (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  catalog_id uuid not null references catalogs,
  offering_id uuid not null references offerings,
  product_key text not null,
  branch text not null,
  packaging_type text not null,
  base_image_id uuid not null references base_images,
  status text not null default 'SUPPORTED' check (status in ('SUPPORTED', 'DEPRECATED', 'UNSUPPORTED', 'REMOVED')),
  processing_status text not null default 'PENDING' check (processing_status in ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'FAILED')),
  processing_status_updated_at timestamptz(3) not null default now(),
  created_at timestamptz(3) not null default now(),
  created_by text not null,
  updated_at timestamptz(3) not null default now(),
  updated_by text not null,
  removed_at timestamptz(3),
  removed_by text,
  deprecated_at timestamptz(3),
  unsupported_at timestamptz(3)
);
-- One living application per offering, base image and catalog.
create unique index applications_one_living on applications (catalog_id, offering_id, base_image_id) where removed_at is null;
create index applications_by_catalog on applications (organization_id, catalog_id, product_key, id);
create index applications_by_base_image on applications (base_image_id) where removed_at is null;

create table application_registries (
  application_id uuid not null references applications,
  registry_id uuid not null references registries,
  position integer not null,
  primary key (application_id, registry_id)
);
create index application_registries_by_registry on application_registries (registry_id);

create table application_requests (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  catalog_id uuid not null references catalogs,
  request_type text not null check (request_type in ('add', 'remove')),
  name text not null,
  description text,
  created_at timestamptz(3) not null default now(),
  created_by text not null
);
create index application_requests_by_catalog on application_requests (organization_id, catalog_id, request_type, created_at desc, id);

create table application_request_items (
  request_id uuid not null references application_requests,
  application_id uuid not null references applications,
  position integer not null,
  primary key (request_id, application_id)
);
create index application_request_items_by_application on application_request_items (application_id);

create table customizations (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  catalog_id uuid not null references catalogs,
  name text,
  description text,
  product_key text references products,
  branch text,
  base_image_id uuid references base_images,
  operation text not null default 'CREATE' check (operation in ('CREATE', 'UPDATE', 'DELETE')),
  version integer not null default 1,
  created_at timestamptz(3) not null default now(),
  created_by text not null,
  updated_at timestamptz(3) not null default now(),
  updated_by text not null,
  removed_at timestamptz(3),
  removed_by text,
  check (branch is null or product_key is not null)
);
create index customizations_by_catalog on customizations (organization_id, catalog_id, created_at desc, id);
create index customizations_living on customizations (catalog_id, product_key, branch, base_image_id) where removed_at is null;

create table customization_versions (
  customization_id uuid not null references customizations,
  version integer not null,
  -- The uploaded archive.
  digest text not null,
  size_bytes bigint not null,
  filename text not null,
  -- The inspected content (InspectedArchive of src/customization/inspect.ts) without bytes: listing digest, declaration, hooks.
  inspection jsonb not null,
  created_at timestamptz(3) not null default now(),
  created_by text not null,
  primary key (customization_id, version)
);

create table pipelines (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations,
  catalog_id uuid not null references catalogs,
  application_id uuid not null references applications,
  status text not null default 'IN_PROGRESS' check (status in ('IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
  triggers jsonb not null,
  started_at timestamptz(3) not null default now(),
  ended_at timestamptz(3),
  -- Known from the offering at creation, exact once planned.
  version text not null,
  product_version text not null,
  revision integer,
  -- The customization a person changed, when that is why this pipeline is.
  customization_id uuid references customizations,
  customization_version integer,
  -- True: nothing but the customizations moves, so the current release's other pins are kept.
  keep_pins boolean not null default false,
  -- True: build and release even when the plan equals the released one.
  force boolean not null default false,
  -- The BuildPlan as content.
  plan_digest text,
  base_digest text,
  -- An Artifact of src/build/plan.ts.
  artifact jsonb,
  -- MetadataFile[] of all phases.
  metadata jsonb not null default '[]',
  -- The first of the releases it recorded.
  release_id text
);
create index pipelines_by_catalog on pipelines (organization_id, catalog_id, started_at desc, id);
create index pipelines_by_application on pipelines (application_id, started_at desc, id);
create index pipelines_open on pipelines (application_id) where status = 'IN_PROGRESS';

create table pipeline_phases (
  pipeline_id uuid not null references pipelines,
  type text not null check (type in ('PACKAGING', 'VERIFICATION', 'DISTRIBUTION')),
  status text not null default 'PENDING' check (status in ('PENDING', 'IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'SKIPPED')),
  started_at timestamptz(3),
  ended_at timestamptz(3),
  failure_cause text check (failure_cause in ('UNKNOWN', 'CUSTOMIZATION_BUILD_ERROR', 'TEST_ERROR', 'DISTRIBUTION_ERROR', 'BUILD_ERROR')),
  failure_message text,
  -- MetadataFile[]: the log and reports of a failure.
  failure_metadata jsonb,
  primary key (pipeline_id, type)
);

-- pipeline_id starts when none of those it waits for is in progress.
create table pipeline_edges (
  pipeline_id uuid not null references pipelines,
  waits_for_id uuid not null references pipelines,
  primary key (pipeline_id, waits_for_id)
);
create index pipeline_edges_by_waited on pipeline_edges (waits_for_id);

-- Which applications an operation on a customization touched, and the pipeline that carries it there now.
create table customization_applications (
  customization_id uuid not null,
  version integer not null,
  operation text not null check (operation in ('CREATE', 'UPDATE', 'DELETE')),
  application_id uuid not null references applications,
  pipeline_id uuid not null references pipelines,
  -- True when this version failed a build or a test of this application: later plans go without it.
  broke boolean not null default false,
  -- True once such a later plan was made.
  left_out boolean not null default false,
  primary key (customization_id, version, operation, application_id),
  foreign key (customization_id, version) references customization_versions
);
create index customization_applications_by_pipeline on customization_applications (pipeline_id);

create table releases (
  -- 24 hex digits: four bytes of time, eight random ones.
  id text primary key,
  organization_id uuid not null references organizations,
  catalog_id uuid not null references catalogs,
  application_id uuid not null references applications,
  pipeline_id uuid not null references pipelines,
  registry_id uuid not null references registries,
  base_image_id uuid not null references base_images,
  base_digest text not null,
  version text not null,
  revision integer not null,
  released_at timestamptz(3) not null default now(),
  content_digest text not null,
  repo_digest text not null,
  artifact_name text not null,
  artifact_version text not null,
  repository text not null,
  plan_digest text not null,
  -- PlatformFamilyReleaseMetadata without urls: [{platform, files: MetadataFile[]}].
  metadata jsonb not null,
  unique (pipeline_id, registry_id)
);
create index releases_by_catalog on releases (organization_id, catalog_id, released_at desc, id);
create index releases_by_application on releases (application_id, released_at desc, id);
create index releases_by_content_digest on releases (catalog_id, content_digest);
create index releases_by_repo_digest on releases (catalog_id, repo_digest);
create index releases_by_repository on releases (registry_id, artifact_name, version);

create table release_customizations (
  release_id text not null references releases,
  position integer not null,
  customization_id uuid not null,
  version integer not null,
  primary key (release_id, position),
  foreign key (customization_id, version) references customization_versions
);
create index release_customizations_by_customization on release_customizations (customization_id, version);

create table release_edges (
  release_id text not null references releases,
  depends_on_id text not null references releases,
  primary key (release_id, depends_on_id)
);
create index release_edges_by_dependency on release_edges (depends_on_id);

-- The next revision of a version in a repository of a registry. Gaps are allowed, reuse is not.
create table revisions (
  registry_id uuid not null references registries,
  repository text not null,
  version text not null,
  next integer not null,
  primary key (registry_id, repository, version)
);

-- Which files a catalog may hand out.
create table catalog_files (
  catalog_id uuid not null references catalogs,
  digest text not null,
  filename text not null,
  mime_type text not null,
  size_bytes bigint not null,
  primary key (catalog_id, digest, filename)
);

-- One row for each reason to keep a content. What no row names is swept a day after it was last touched.
create table content_uses (
  digest text not null,
  -- What kind of row needs it: base_image, customization, plan, layer, artifact, release, pipeline, repository.
  kind text not null,
  id text not null,
  primary key (digest, kind, id)
);
create index content_uses_by_user on content_uses (kind, id);

-- Layers already made, by a digest of everything that went into them.
create table built_layers (
  key text primary key,
  -- A BuiltLayer of src/build/layer.ts.
  layer jsonb not null,
  built_at timestamptz(3) not null default now()
);

-- Artifacts already made, by their plan.
create table artifacts (
  plan_digest text primary key,
  artifact jsonb not null,
  built_at timestamptz(3) not null default now()
);

-- Which blob is in which repository of which outside registry: what may be mounted instead of sent.
create table registry_blobs (
  registry_id uuid not null references registries,
  digest text not null,
  repository text not null,
  primary key (registry_id, digest, repository)
);

-- The hosted registry. Repositories without an organization are readable by every organization and written by the installation alone.
create table repositories (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid references organizations,
  name text not null unique,
  created_at timestamptz(3) not null default now()
);
create index repositories_by_organization on repositories (organization_id, name);

create table repository_blobs (
  repository_id uuid not null references repositories,
  digest text not null,
  size_bytes bigint not null,
  created_at timestamptz(3) not null default now(),
  primary key (repository_id, digest)
);
create index repository_blobs_by_digest on repository_blobs (digest);

create table repository_manifests (
  repository_id uuid not null references repositories,
  digest text not null,
  media_type text not null,
  size_bytes bigint not null,
  artifact_type text,
  annotations jsonb,
  subject_digest text,
  -- Digests of the blobs and manifests it is made of: they stay while it does.
  refers_to text[] not null,
  created_at timestamptz(3) not null default now(),
  primary key (repository_id, digest)
);
create index repository_manifests_by_subject on repository_manifests (repository_id, subject_digest) where subject_digest is not null;

create table repository_tags (
  repository_id uuid not null,
  tag text not null,
  digest text not null,
  updated_at timestamptz(3) not null default now(),
  primary key (repository_id, tag),
  foreign key (repository_id, digest) references repository_manifests on delete cascade
);
create index repository_tags_by_digest on repository_tags (repository_id, digest);

create table repository_uploads (
  id uuid primary key default gen_random_uuid(),
  repository_id uuid not null references repositories,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now()
);

-- Workers that are alive, and how each can run sandboxes: what /readyz tells an operator.
create table workers (
  id uuid primary key,
  host text not null,
  sandbox_mode text not null check (sandbox_mode in ('userns', 'root', 'files-only')),
  sandbox_reasons text[] not null,
  started_at timestamptz(3) not null default now(),
  seen_at timestamptz(3) not null default now()
);
