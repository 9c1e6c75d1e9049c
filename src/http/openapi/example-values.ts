// Values for the examples of the OpenAPI document, by the name of a field and by the resource to which the field belongs.
import { reports } from '../../contract/report-kinds.ts';

export const UUID = '1b671a64-40d5-491e-99b0-da01ff1f3341';
export const SHA256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
export const TIME = '2026-03-03T00:59:52.762Z';
export const RELEASE_ID = '64455e6bd3c480fd58546c75';

const DISCLAIMER = 'Redis is a trademark of its owner. This packaging is independent of the owner.';
const TRUSTED = 'The certificate of registry.example.com has expired. Renew it.';

/** Fields that have the same example in every resource. */
export const BY_NAME: Readonly<Record<string, unknown>> = {
  version: '7.0.15',
  product_version: '7.0.15',
  revision: '0',
  branch: '7.0',
  product_key: 'redis',
  distro: 'debian',
  name: 'Platform',
  description: 'Maintained by the platform team.',
  long_display_name: 'Redis packaged by Larder',
  disclaimer: DISCLAIMER,
  trademark_disclaimer_bitnami: DISCLAIMER,
  trademark_disclaimer_vmware: DISCLAIMER,
  legal_overridden_name_bitnami: 'Redis®',
  legal_overridden_name_vmware: 'Redis®',
  category: 'Database',
  home_url: 'https://redis.io',
  icon_url: '/larder/v1/products/redis/icon',
  license_id: 'BSD-3-Clause',
  license_key: 'BSD-3-Clause',
  license_relative_path: 'usr/share/doc/redis-server/copyright',
  os: 'debian',
  os_family: 'linux',
  architecture: 'amd64',
  container_image: 'base/debian:12',
  repository: 'registry.example.com/acme/containers/debian-12',
  filename: reports.TRIGGER_INFO.filename,
  mime_type: reports.TRIGGER_INFO.mime_type,
  created_by: 'jane',
  updated_by: 'jane',
  removed_by: 'jane',
  actor_name: 'jane',
  url: 'https://registry.example.com',
  href: `/v1/catalogs/${UUID}`,
  source_url: `/v1/catalogs/${UUID}/files/${SHA256}?filename=${reports.BUILD_LOG.filename}`,
  end_of_life_at: '2027-01-31T00:00:00.000Z',
  access_key: 'robot',
  access_secret: 'a secret',
  username: 'robot-main-9f86d081884c',
  password: 'shown once',
  private_key: '-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----\n',
  public_key: '-----BEGIN PUBLIC KEY-----\n…\n-----END PUBLIC KEY-----\n',
  public_key_url: `/signing-keys/acme/${SHA256}.pem`,
  api_token: 'shown once',
  access_token: 'eyJhbGciOiJFUzI1NiJ9.…',
  refresh_token: 'the API token',
  token_type: 'bearer',
  email: 'jane@example.org',
  new_password: 'correct horse battery staple',
  current_password: 'the password until now',
  namespace: 'acme-labs',
  unhealthy_cause: TRUSTED,
  error_message: 'scripts/prepare.sh ended with exit code 1.',
  context: 'CVE-2026-1234',
  last_error:
    'The mail server refuses connections: nothing listens there. The operator has to check LARDER_SMTP_URL and the mail server.',
  label: 'Base image or registry unhealthy',
  action: 'createCustomization',
  subject_kind: 'customization',
  changed_fields: 'name',
  address: '192.0.2.7',
  page: 1,
  page_size: 20,
  total_size: 1,
  total_pages: 1,
};

type Values = Readonly<Record<string, unknown>>;

const product: Values = {
  key: 'redis',
  name: 'Redis',
  description: 'In-memory data store for caches, queues, sessions and streams.',
};
const debian: Values = { key: 'debian-12', name: 'Debian 12', distro: 'debian', version: '12' };
const baseImage: Values = { name: 'Debian 12 for Acme', description: 'Debian 12 with our repositories.' };
const registry: Values = { name: 'Production', description: 'The clusters pull from here.' };
const customization: Values = { name: 'Company certificates', description: 'Our certificate authority and its proxy.' };
const release: Values = { id: RELEASE_ID };
const request: Values = { name: 'Caches for the shop', description: 'Redis for the sessions of the shop.' };
const person: Values = { name: 'Jane Example', role: 'EDITOR' };
const organization: Values = { name: 'Acme Labs', namespace: 'acme-labs' };
const token: Values = { name: 'Deployment pipeline', role: 'EDITOR' };

/**
 * Values for the fields of an object, by the title of the object's schema. Without a title, by the name of the field that
 * contains the object.
 */
export const BY_THING: Readonly<Record<string, Values>> = {
  Product: product,
  ProductInfo: product,
  parent: product,
  Branch: { key: '7.0' },
  License: { name: 'BSD 3-Clause "New" or "Revised" License' },
  category: { name: 'Database' },
  tracking: { tracker_id: 'pkg:deb/debian/redis-server', name: 'redis-server of debian (deb)' },
  deprecation_policy: {
    key: 'end-of-life',
    name: 'End of life upstream',
    deprecation_date: '2026-11-02T00:00:00.000Z',
    grace_period_days: 90,
    reason: 'Upstream ends its support of this branch, after which there are no fixes.',
  },
  nonsupport_policy: {
    key: 'withdrawn',
    name: 'Withdrawn from the product library',
    reason: 'The product library has no recipe for it any more.',
  },
  OperatingSystem: debian,
  OperatingSystemDetailed: debian,
  DistroReference: debian,
  BaseImage: baseImage,
  BaseImageDetailed: baseImage,
  BaseImageRequest: baseImage,
  UpdateBaseImageRequest: baseImage,
  Registry: registry,
  RegistryDetailed: registry,
  CreatePrivateRegistryRequest: {
    ...registry,
    url: 'https://index.docker.io',
    containers_organization: 'acme',
    charts_organization: 'acme-charts',
  },
  UpdatePrivateRegistryRequest: registry,
  RegistryCredential: { name: 'robot-main-9f86d081884c', description: 'Pulls for the production cluster.' },
  RegistryCredentialRequest: { description: 'Pulls for the production cluster.' },
  CustomizationDetailed: { ...customization, version: 'v1' },
  Customization: { version: 'v1' },
  Catalog: { name: 'DefaultCatalog' },
  Release: release,
  EmbeddedRelease: release,
  LatestRelease: release,
  ReleaseArtifact: {
    name: 'redis',
    version: '7.0.15-debian-12-r0',
    url: 'registry.example.com/acme/containers/debian-12/redis:7.0.15-debian-12-r0',
  },
  ReleaseFailure: { description: 'scripts/prepare.sh ended with exit code 1.' },
  CatalogApplicationRequest: request,
  CatalogApplicationCreationRequest: request,
  CatalogApplicationDeletionRequest: { name: 'Caches that nobody uses', description: 'The shop has its own.' },
  User: person,
  CreateUserRequest: person,
  UpdateUserRequest: person,
  FirstOwner: person,
  SessionUser: person,
  ApiTokenUser: person,
  Organization: organization,
  SessionOrganization: organization,
  CreateOrganizationRequest: organization,
  UpdateOrganizationRequest: organization,
  ApiToken: token,
  ApiTokenRequest: token,
  SignInWay: { name: 'login.example.com', url: '/larder/v1/sign-in/oidc' },
  NotificationTypeInfo: { description: 'A registry or a base image became healthy or unhealthy.' },
};
