// Creates one resource of each kind that an organization can own. Ids are stored under the name of the path parameter of
// their kind.
import { randomBytes } from 'node:crypto';
import { ensureHostedRegistry } from '../src/catalog/initial-rows.ts';
import { inTransaction } from '../src/db/database.ts';
import { failPhase, startPhase } from '../src/pipelines/phases.ts';
import { type ApiOrganization, type Ask, openTestApi, type TestApi } from './api.ts';
import { catalogOver, type TestCatalog, type TestOrganization } from './catalog.ts';
import { packed, rootfs } from './fixtures/customization.ts';
import { formOf } from './multipart.ts';

/**
 * The ids of an organization's resources, by the path parameter of their kind. There are two registries: first the hosted
 * registry, and then a registry of the organization. `makeEstate` creates the resources.
 */
export type Estate = Record<string, readonly [string, ...string[]]>;

export type TestEstates = {
  api: TestApi;
  catalog: TestCatalog;
  acme: Estate;
  rival: Estate;
  /** Ids that all organizations share. */
  shared: Record<string, string>;
};

/** Opens an API with two organizations. Each of them owns one resource of each kind. */
export async function openTestEstates(): Promise<TestEstates> {
  const api = await openTestApi();
  const catalog = await catalogOver(api.database, (name) => organizationOf(api, name));
  await catalog.baseMoves('first');
  const [system] = (await api.ask('GET', '/v1/operating-systems')).json().items;
  const shared = {
    offering_id: catalog.offerings.get('nginx') ?? '',
    operating_system_id: String(system.id),
    product_id_or_key: 'redis',
    branch_id_or_key: '7.0',
  };
  const acme = await makeEstate(api, { catalog, organization: catalog.acme, access: api.acme.access, shared });
  const rival = await makeEstate(api, { catalog, organization: catalog.rival, access: api.rival.access, shared });
  return { api, catalog, acme, rival, shared };
}

/** Returns an organization of the API in the form of a test catalog's organization. */
export async function organizationOf(api: TestApi, name: 'acme' | 'rival'): Promise<TestOrganization> {
  const { id, catalog_id } = api[name];
  const registry = await inTransaction(api.database.db, (tx) => ensureHostedRegistry(tx, id, 'http://127.0.0.1:8080/'));
  return { principal: { organization_id: id, name: 'jane' }, catalog_id, registry_id: registry.id, namespace: name };
}

type Owner = {
  catalog: TestCatalog;
  organization: TestOrganization;
  access: ApiOrganization['access'];
  shared: Record<string, string>;
};

async function makeEstate(api: TestApi, owner: Owner): Promise<Estate> {
  const { catalog, organization, access, shared } = owner;
  const { catalog_id, registry_id: hosted } = organization;
  const make = async (path: string, sent: Ask) => {
    const made = await api.ask('POST', path, { token: access.OWNER, ...sent });
    if (made.statusCode !== 201) throw new Error(`${path} answers ${made.statusCode}: ${made.body}`);
    return String(made.headers['location']).split('/').at(-1) ?? '';
  };
  const registry = await make('/v1/registries', { body: REGISTRY });
  const baseImage = await make('/v1/base-images', {
    body: {
      ...{ name: 'own', description: 'own', container_image: 'own/debian:12' },
      ...{ registry_id: registry, operating_system_id: shared['operating_system_id'] },
    },
  });
  const { request_id, application_ids } = await catalog.request(organization, ['redis'], {
    registry_ids: [hosted, registry],
  });
  const application = application_ids[0] ?? '';
  const pipeline = await catalog.openPipeline(application);
  await catalog.finish(pipeline);
  await failOn(catalog, organization, baseImage);
  const { items } = (await api.ask('GET', `/v1/catalogs/${catalog_id}/releases`, { token: access.OWNER })).json();
  const content = await packed([rootfs('etc/motd', { content: randomBytes(8) })]);
  const file = formOf({ name: 'file', filename: 'x.tar.gz', content });
  const customization = await make(`/v1/catalogs/${catalog_id}/customizations`, file);
  const customized = await api.ask('GET', `/v1/catalogs/${catalog_id}/customizations/${customization}`, {
    token: access.OWNER,
  });
  const { wave_id } = (
    await api.ask('GET', `/v1/catalogs/${catalog_id}/pipelines/${pipeline}`, { token: access.OWNER })
  ).json();
  const { user_id, organization_id } = await api.identity.verifyAccessToken(access.OWNER);
  return {
    user_id: [user_id],
    organization_id: [organization_id],
    subscription_id: [(await api.ask('GET', '/v1/subscriptions', { token: access.OWNER })).json().items[0].id],
    api_token_id: [await make('/larder/v1/api-tokens', { body: { name: 'own' } })],
    catalog_id: [catalog_id],
    registry_id: [hosted, registry],
    application_request_id: [request_id],
    application_id: [application],
    pipeline_id: [pipeline],
    wave_id: [wave_id],
    release_id: [items[0].id],
    content_digest: [items[0].artifact.content_digest],
    repo_digest: [items[0].artifact.repo_digest],
    customization_id: [customization],
    digest: [customized.json().artifact.id],
    credential_id: [await make(`/v1/registries/${hosted}/credentials`, { body: { description: 'robot' } })],
    base_image_id: [baseImage],
    signing_key_id: [await make('/larder/v1/signing-keys', { body: {} })],
    provider_id: [await make('/v1/notification-providers', { body: { type: 'EMAIL', name: 'mail' } })],
  };
}

/** Creates a release failure: redis on a base image on which it was never built. */
async function failOn(catalog: TestCatalog, organization: TestOrganization, baseImage: string): Promise<void> {
  const { application_ids } = await catalog.request(organization, ['redis'], { base_image_id: baseImage });
  const pipeline_id = await catalog.openPipeline(application_ids[0] ?? '');
  const phase = 'PACKAGING';
  await catalog.write((tx) => startPhase(tx, { pipeline_id, phase }));
  await catalog.write((tx) => failPhase(tx, { pipeline_id, phase, cause: 'BUILD_ERROR', message: 'no space left' }));
}

/** Breaks a released application with a customization. Returns the ids of the customization and of the failed pipeline. */
export async function breakByCustomization(
  catalog: TestCatalog,
  organization: TestOrganization,
  { application_id, product_key }: { application_id: string; product_key: string },
): Promise<{ id: string; pipeline_id: string }> {
  const id = await catalog.customize(organization, `breaks ${product_key}`, { product_key });
  const pipeline_id = await catalog.openPipeline(application_id);
  const phase = 'PACKAGING';
  await catalog.write((tx) => startPhase(tx, { pipeline_id, phase }));
  const failed = {
    pipeline_id,
    phase,
    cause: 'CUSTOMIZATION_BUILD_ERROR',
    message: 'its hook ended with code 3\nlog',
  } as const;
  await catalog.write((tx) => failPhase(tx, { ...failed, customization: { id, version: 1 } }));
  return { id, pipeline_id };
}

const REGISTRY = {
  ...{ name: 'own', description: 'own', provider: 'OCI', url: 'https://registry.invalid' },
  ...{ access_key: 'own', access_secret: 's3cret' },
};

/** Returns a function. Each call of it returns another failed pipeline of one application that can be retried. */
export function failedPipelines(catalog: TestCatalog, product: string): () => Promise<string> {
  let application: string | undefined;
  let last = '';
  return async () => {
    application ??= (await catalog.request(catalog.acme, [product])).application_ids[0] ?? '';
    for (const pipeline_id of await catalog.openPipelines(application)) {
      const fault = { pipeline_id, phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'no' } as const;
      await catalog.write((tx) => failPhase(tx, fault));
      last = pipeline_id;
    }
    return last;
  };
}
