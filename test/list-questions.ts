// The filters and orders of each list in the contract, and the items that each filter and order must return.
// src/http/lists.test.ts uses them.
import type { TestEstates } from './estate.ts';
import type { IdOf } from './sample-request.ts';

// biome-ignore lint/suspicious/noExplicitAny: items are of every kind of thing
export type Item = any;

/** A value for a filter, and the items that the filter keeps. */
type Filter = {
  value: () => string;
  keeps: (item: Item) => boolean;
  /** True if the filter keeps all items or none. */
  whole?: true;
  /** True if the filter shows items that the list omits otherwise. */
  beyond?: true;
  /** Parameters that the filter requires. */
  with?: () => Record<string, string>;
};

export type List = {
  /** Additional parameters with which the list returns all items. */
  base?: Record<string, string>;
  filters: Record<string, Filter[]>;
  /** The value by which each order sorts. `one` if all items have the same value. */
  orders?: Record<string, ((item: Item) => unknown) | 'one'>;
  /** Returns the items of an answer that is not a page. */
  items?: (answer: Item) => Item[];
};

const is = (value: string, keeps: (item: Item) => boolean): Filter => ({ value: () => value, keeps });
const all = (value: string): Filter => ({ value: () => value, keeps: () => true, whole: true });
const none = (value: string): Filter => ({ value: () => value, keeps: () => false, whole: true });
/** Returns a version whose numbers are padded, so that it sorts as text. */
const padded = (version: string | undefined) => version?.replace(/\d+/g, (digits) => digits.padStart(8, '0'));
/** A filter by a boolean value that all items have, or that none has. */
const always = [all('true'), none('false')];
const never = [none('true'), all('false')];
const removed: Filter[] = [all('false'), { ...is('true', (item) => 'removed_at' in item), beyond: true }];
const containers = [all('CONTAINER_IMAGE'), none('OVA')];

const SUPPORTED = ['ACTIVE', 'SCHEDULED_DEPRECATION', 'DEPRECATION_GRACE_PERIOD'];
const ELIGIBLE = ['ACTIVE', 'SCHEDULED_DEPRECATION'];
const flagged = (keeps: (item: Item) => boolean) => [is('true', keeps), all('false')];
const branches = (answer: Item) =>
  [answer].flat().flatMap(({ product, branches: found }) => found.map((one: Item) => ({ product, ...one })));
const narrowing = {
  only_supported: flagged(({ branch }) => SUPPORTED.includes(branch.status)),
  only_eligible: flagged(({ branch }) => ELIGIBLE.includes(branch.status)),
  only_stable_branches: flagged(({ branch }) => branch.key !== 'mainline'),
  only_built_versions: [all('true'), all('false')],
  status: [is('DEPRECATED', ({ branch }) => branch.status === 'DEPRECATED')],
};
const products: List = {
  items: (answer) => branches(answer.items ?? answer),
  filters: {
    ...narrowing,
    search: [is('edi', ({ product }) => product.key === 'redis')],
    distributable: always,
    scope: [all('COMMON'), none('ONLY_PUBLIC')],
  },
};
const product: List = {
  items: branches,
  filters: {
    ...narrowing,
    only_supported: [all('true'), all('false')],
    only_eligible: [all('true'), all('false')],
    only_stable_branches: [all('true'), all('false')],
    status: [all('ACTIVE'), none('DEPRECATED')],
  },
};
const branch: List = {
  items: (answer) => answer.versions.flatMap((one: Item) => one.platforms),
  filters: {
    distro: [is('debian-12', ({ platform }) => platform.distro.key === 'debian-12')],
    architecture: [is('amd64', ({ platform }) => platform.architecture === 'amd64'), none('s390x')],
    packaging: containers,
    only_built_versions: [all('true'), all('false')],
    only_supported: [all('true'), all('false')],
    only_eligible: [all('true'), all('false')],
  },
};

/** Returns the filters and orders of each list, by its operation. */
export function listsOf(estates: TestEstates): Record<string, List> {
  const own: IdOf = (kind) => estates.shared[kind] ?? estates.acme[kind]?.[0] ?? '';
  const base = () => estates.catalog.base;
  const registered = () => estates.acme['registry_id']?.[1] ?? '';
  return {
    listCatalogs: {
      filters: { shared: never, owned: always },
      orders: { CREATED_AT: 'one', NAME: 'one', NAMESPACE: 'one', ORGANIZATION_NAME: 'one', UPDATED_AT: 'one' },
    },
    listOperatingSystems: {
      filters: {
        statuses: [is('DEPRECATED', ({ status }) => status === 'DEPRECATED'), all('ACTIVE,DEPRECATED')],
        name: [is('13', ({ name }) => name.includes('13'))],
      },
    },
    listOfferings: {
      base: { statuses: 'ENABLED,HIDDEN,DEPRECATED' },
      filters: {
        catalog_id: [{ ...all(''), value: () => own('catalog_id') }],
        operating_system_id: [
          {
            value: () => own('operating_system_id'),
            keeps: (item) => item.operating_systems.some(({ id }: Item) => id === own('operating_system_id')),
          },
        ],
        operating_system_name: [
          is('Debian 13', (item) => item.operating_systems.some(({ name }: Item) => name === 'Debian 13')),
        ],
        packaging_types: [...containers, all('OVA,CONTAINER_IMAGE')],
        statuses: [is('HIDDEN,ENABLED', ({ status }) => status !== 'DEPRECATED')],
        product_name: [is('GRES', ({ product: { name } }) => name === 'PostgreSQL')],
        product_key: [is('nginx', ({ product: { key } }) => key === 'nginx')],
        branch: [is('7.0', (item) => item.branch === '7.0')],
      },
      orders: {
        PRODUCT_NAME: (item) => item.product.name,
        PRODUCT_KEY: (item) => item.product.key,
        STATUS: (item) => item.status,
        BRANCH: (item) => padded(item.branch),
        PACKAGING_TYPE: 'one',
      },
    },
    listApplications: {
      base: { statuses: 'SUPPORTED,DEPRECATED,UNSUPPORTED,REMOVED' },
      filters: {
        packaging_type: containers,
        base_image_ids: [{ value: base, keeps: (item) => item.base_image.id === base() }],
        product_name: [is('inx', (item) => item.product.key === 'nginx')],
        product_key: [is('redis', (item) => item.product.key === 'redis')],
        product_category: [is('Web server', (item) => item.product.category === 'Web server')],
        statuses: [is('UNSUPPORTED,REMOVED', ({ status }) => status === 'UNSUPPORTED' || status === 'REMOVED')],
        trial: never,
        fips_compliant: never,
        stig_compliant: never,
        containers_non_root: always,
      },
      orders: {
        PRODUCT_NAME: (item) => item.product.name,
        BASE_IMAGE_NAME: (item) => item.base_image.name,
        LATEST_RELEASE_VERSION: (item) => padded(item.latest_release?.version),
        STATUS: (item) => item.status,
        LATEST_RELEASE_RELEASED_AT: (item) => item.latest_release?.released_at,
        CREATED_AT: (item) => item.created_at,
        CREATED_BY: (item) => item.created_by,
        REMOVED_AT: (item) => item.removed_at,
        REMOVED_BY: (item) => item.removed_by,
      },
    },
    listApplicationRequests: {
      base: { request_type: 'add' },
      filters: {
        request_type: [all('add')],
        request_status: [is('FAILED', ({ status }) => status === 'FAILED')],
      },
      orders: { REQUESTED_AT: (item) => item.created_at, NAME: (item) => item.name, ORGANIZATION_NAME: 'one' },
    },
    listRequestsOfApplication: {
      items: (answer) => answer,
      filters: { request_type: [is('remove', (item) => item.request_type === 'remove')] },
    },
    listBaseImages: {
      base: { statuses: 'ACTIVE,DEPRECATED,DELETED' },
      filters: {
        packaging_type: containers,
        statuses: [is('DELETED', ({ status }) => status === 'DELETED')],
        name: [is('ebian', ({ name }) => name.includes('Debian'))],
        with_applications: flagged((item) => item.application_count > 0),
      },
    },
    listRegistries: {
      filters: {
        removed,
        provider: [is('DOCKERHUB', (item) => item.provider === 'DOCKERHUB')],
        hosted: [is('true', (item) => item.hosted), is('false', (item) => !item.hosted)],
        vmware_managed: never,
        shared: never,
        owned: always,
      },
    },
    listRegistryCredentials: {
      filters: { removed },
    },
    listSubscriptions: {
      filters: { status: [all('ACTIVE'), none('EXPIRED')] },
      orders: {
        ...{ CREATED_AT: 'one', ID: 'one', ORGANIZATION_NAME: 'one', ORGANIZATION_ID: 'one', PRODUCT_ID: 'one' },
        ...{ SUBSCRIPTION_STATUS: 'one', ACTIVE_AT: 'one', STARTS_AT: 'one', ENDS_AT: 'one' },
      },
    },
    listApiTokens: {
      filters: { removed, user_id: [{ ...all(''), value: () => own('user_id') }] },
    },
    listUsers: {
      filters: {
        removed,
        role: [is('EDITOR', ({ role }) => role === 'EDITOR')],
        name: [is('ERT', ({ name }) => name === 'bertha')],
      },
      orders: {
        NAME: (item) => item.name,
        CREATED_AT: (item) => item.created_at,
        UPDATED_AT: (item) => item.updated_at,
      },
    },
    listOrganizations: {
      // An owner who does not own the installation sees only their own organization.
      filters: { name: [all('CM'), none('nobody')] },
      orders: { NAME: 'one', NAMESPACE: 'one', CREATED_AT: 'one' },
    },
    listAuditEvents: {
      base: { page_size: '100' },
      filters: {
        actor_id: [{ value: () => own('user_id'), keeps: (item) => item.actor_id === own('user_id') }],
        action: [is('createRegistry', ({ action }) => action === 'createRegistry')],
        subject_id: [{ value: registered, keeps: (item) => item.subject_id === registered() }],
        from: [all('2026-01-01T00:00:00Z'), none('2999-01-01T00:00:00Z')],
        to: [none('2026-01-01T00:00:00Z'), all('2999-01-01T00:00:00Z')],
      },
    },
    listCustomizations: {
      filters: {
        product_key: [is('redis', (item) => item.filter?.product_key === 'redis')],
        base_image_id: [{ value: base, keeps: (item) => item.filter?.base_image_id === base() }],
        branch: [is('7.0', (item) => item.filter?.branch === '7.0')],
        active: flagged((item) => !('removed_at' in item)),
        global: flagged((item) => item.global),
        left_out: flagged((item) => item.affected_releasables.some((one: { left_out?: boolean }) => one.left_out)),
      },
    },
    listReleases: {
      filters: {
        application_id: [
          { value: () => own('application_id'), keeps: (item) => item.application_id === own('application_id') },
        ],
        registry_id: [
          {
            value: () => own('registry_id'),
            keeps: (item) => item.registry.id === own('registry_id') && item.application_id === own('application_id'),
            with: () => ({ application_id: own('application_id') }),
          },
        ],
        content_digest: [
          {
            value: () => own('content_digest'),
            keeps: (item) => item.artifact.content_digest === own('content_digest'),
          },
        ],
        repo_digest: [
          { value: () => own('repo_digest'), keeps: (item) => item.artifact.repo_digest === own('repo_digest') },
        ],
        minimal_info: [all('true'), all('false')],
        expand_relationships: [all('true'), all('false')],
      },
    },
    listSigningKeys: { filters: {} },
    listWaves: { filters: {} },
    listPipelines: {
      filters: {
        application_id: [
          { value: () => own('application_id'), keeps: (item) => item.application_id === own('application_id') },
        ],
        release_id: [{ value: () => own('release_id'), keeps: (item) => item.id === own('pipeline_id') }],
        status: [
          is('FAILED', ({ status }) => status === 'FAILED'),
          is('CANCELLED', ({ status }) => status === 'CANCELLED'),
        ],
        registry_id: [
          {
            value: () => own('registry_id'),
            keeps: (item) => item.application_id === own('application_id'),
            with: () => ({ application_id: own('application_id') }),
          },
        ],
        base_image_id: [{ value: base, keeps: (item) => item.base_image.id === base() }],
        packaging_type: containers,
        applications_only: [all('true'), all('false')],
      },
      orders: {
        STARTED_AT: (item) => item.started_at,
        STATUS: (item) => item.status,
        PACKAGING_TYPE: 'one',
        REGISTRY_NAME: (item) => item.registry.name,
        BASE_IMAGE_NAME: (item) => item.base_image.name,
        PRODUCT_NAME: (item) => item.product.name,
        DISTRIBUTION_STARTED_AT: (item) => item.phases.find(({ type }: Item) => type === 'DISTRIBUTION')?.started_at,
      },
    },
    listNotificationProviders: {
      filters: {
        enabled: [is('true', (item) => item.enabled), is('false', (item) => !item.enabled)],
        removed,
      },
      orders: {
        CREATED_AT: (item) => item.created_at,
        UPDATED_AT: (item) => item.updated_at,
        NAME: (item) => item.name,
      },
    },
    listNotificationDeliveries: {
      filters: { status: [all('PENDING'), none('DELIVERED')] },
    },
    getRelease: { items: (answer) => [answer], filters: { expand_relationships: [all('true'), all('false')] } },
    listProducts: products,
    listProductsPage: products,
    getProduct: product,
    getProductBranch: branch,
    listExtendedProducts: products,
    listExtendedProductsPage: products,
    getExtendedProduct: product,
    getExtendedProductBranch: branch,
  };
}
