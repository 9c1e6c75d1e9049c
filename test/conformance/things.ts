// The objects of a conformance run: a release, a failure, and objects of each kind that operations may change or remove.
import { openClient } from '../../src/client/client.ts';
import { type Service, until } from '../service.ts';

/** Values by the name of their field or parameter. */
type Values = Record<string, string>;

export type Things = {
  /** The parameters of every operation. */
  parameters: Values;
  /** Parameters of single operations. They replace `parameters`. */
  operations: Record<string, Values>;
  /** Fields of every body and query. The hooks replace generated values by them. */
  fields: Record<string, unknown>;
  /** Fields of the body, the query and the path of one operation. If a value is a list, each call uses the next item. */
  operationFields: Record<string, Record<string, unknown>>;
  /** The API token of an organization that has only a failed pipeline. No customization or request changes this pipeline. */
  otherToken: string;
  /** Operations that are called with `otherToken`. */
  otherOperations: readonly string[];
};

/** `setPassword` sets this password again, so that `signInWithPassword` always accepts it. */
const PASSWORD = { email: 'owner@example.org', password: 'a password of the conformance run' };
const DAY_MS = 86_400_000;
/** How many objects exist for each operation that removes an object. So many requests can be accepted. */
const REMOVABLE_COUNT = 3;

/** Creates all objects that a run uses. */
export async function makeThings(service: Service, signal: AbortSignal): Promise<Things> {
  const parameters = await identifiers(service, signal);
  const failed = await failedPipeline(service, signal);
  const operations = await ownThings(service);
  await service.client.call('setPassword', { email: PASSWORD.email, new_password: PASSWORD.password });
  const { application_id = '', offering_id = '', operating_system_id = '' } = parameters;
  const { registry_id } = operations['getRegistry'] ?? {};
  return {
    parameters,
    operations: {
      ...operations,
      retryPipeline: { catalog_id: failed.catalog_id, pipeline_id: failed.pipeline_id },
      getReleaseFailure: { catalog_id: failed.catalog_id },
    },
    fields: {
      ...{ registry_id, registry_ids: registry_id, operating_system_id },
      ...{ base_image_id: failed.base_image_id, base_image_ids: failed.base_image_id },
      ...{ application_id, application_ids: application_id, application_offering_ids: offering_id },
      provider_id: operations['getNotificationProvider']?.['provider_id'],
      user_id: operations['getUser']?.['user_id'],
      expires_at: new Date(Date.now() + DAY_MS).toISOString(),
    },
    operationFields: {
      ...(await removables(service)),
      createBaseImage: { container_image: 'base/debian:12' },
      // `createApplicationRequest` creates and removes applications that no other operation uses.
      createApplicationRequest: await requestable(service, failed.base_image_id),
      getReleaseFailure: failed.releasable,
      signInWithPassword: PASSWORD,
      setPassword: { email: PASSWORD.email, current_password: PASSWORD.password, new_password: PASSWORD.password },
    },
    otherToken: failed.token,
    otherOperations: ['retryPipeline', 'getReleaseFailure'],
  };
}

/** Creates several objects for each operation that removes an object. */
async function removables({ client }: Service): Promise<Record<string, Record<string, string[]>>> {
  const registry_id = (await client.call('listRegistries', { hosted: true })).items[0]?.id ?? '';
  const made: Record<string, Record<string, string[]>> = {
    deleteRegistry: { registry_id: [] },
    deleteUser: { user_id: [] },
    revokeApiToken: { api_token_id: [] },
    deleteNotificationProvider: { provider_id: [] },
  };
  for (let count = 0; count < REMOVABLE_COUNT; count++) {
    const described = { name: `removable ${count}`, description: '' };
    const registry = { ...described, provider: 'OCI' as const, url: 'https://registry.invalid' };
    const login = { access_key: 'own', access_secret: 'own' };
    made['deleteRegistry']?.['registry_id']?.push((await client.call('createRegistry', { ...registry, ...login })).id);
    const user = await client.call('createUser', { name: described.name, role: 'VIEWER' });
    made['deleteUser']?.['user_id']?.push(user.id);
    made['revokeApiToken']?.['api_token_id']?.push((await client.call('issueApiToken', { name: described.name })).id);
    const provider = await client.call('createNotificationProvider', { type: 'EMAIL', name: described.name });
    made['deleteNotificationProvider']?.['provider_id']?.push(provider.id);
    await client.call('createRegistryCredential', { registry_id, description: described.name });
  }
  const credentials = await client.call('listRegistryCredentials', { registry_id });
  const credential_id = credentials.items.filter(({ description }) => /^removable/.test(description ?? ''));
  made['deleteRegistryCredential'] = { credential_id: credential_id.map(({ id }) => id) };
  return made;
}

/** Returns offerings that can be requested, and an application that can be removed. */
async function requestable({ client, catalog_id }: Service, base_image_id: string) {
  const { items } = await client.call('listOfferings', {
    operating_system_name: 'Debian 12',
    packaging_types: ['CONTAINER_IMAGE'],
    page_size: 100,
  });
  const idOf = (key: string) => items.find(({ product }) => product.key === key)?.id ?? '';
  const { id: application_request_id } = await client.call('createApplicationRequest', {
    ...{ catalog_id, kind: 'CREATION' as const, name: 'removable', base_image_id },
    application_offering_ids: [idOf('haproxy')],
  });
  const { applications } = await client.call('getApplicationRequest', { catalog_id, application_request_id });
  return {
    application_offering_ids: [idOf('nginx'), idOf('memcached')],
    application_ids: applications.map(({ id }) => id),
  };
}

/**
 * Creates an organization with a failed pipeline. The pipeline fails again when it is retried, because its registry is the
 * service itself with a wrong log-in.
 */
async function failedPipeline({ client: installation, url }: Service, signal: AbortSignal) {
  const made = await installation.call('createOrganization', { name: 'failing', owner: { name: 'own' } });
  const token = made.api_token;
  const client = openClient({ url, apiToken: token });
  const catalog_id = (await client.call('listCatalogs', {})).items[0]?.id ?? '';
  const offerings = await client.call('listOfferings', {
    product_key: 'memcached',
    packaging_types: ['CONTAINER_IMAGE'],
    operating_system_name: 'Debian 12',
  });
  const [offering] = offerings.items;
  const images = await client.call('listBaseImages', {});
  const base_image_id = images.items.find(({ name }) => name === 'Debian 12')?.id ?? '';
  const { id: registry_id } = await client.call('createRegistry', {
    ...{ name: 'rejects', description: '', provider: 'OCI' as const, url },
    ...{ access_key: 'nobody', access_secret: 'wrong' },
  });
  await client.call('createApplicationRequest', {
    ...{ catalog_id, kind: 'CREATION' as const, name: 'memcached', base_image_id },
    ...{ application_offering_ids: [offering?.id ?? ''], registry_ids: [registry_id] },
  });
  const pipeline = await until('the pipeline of memcached failed', async () => {
    signal.throwIfAborted();
    const { items } = await client.call('listPipelines', { catalog_id });
    return items.find(({ status }) => status === 'FAILED');
  });
  return {
    ...{ token, catalog_id, base_image_id, pipeline_id: pipeline.id },
    releasable: {
      ...{ product_key: 'memcached', branch: offering?.branch ?? '', base_image_id },
      packaging_type: 'CONTAINER_IMAGE',
    },
  };
}

/**
 * Creates the objects that an operation may change or remove. Each operation has its own object, so that no operation removes
 * the object of another one. The base image is the installation's own base image, which the organization registers again.
 */
async function ownThings({ client, apiToken }: Service): Promise<Record<string, Record<string, string>>> {
  const registry_id = (await client.call('listRegistries', { hosted: true })).items[0]?.id ?? '';
  const operating_system_id = (await client.call('listOperatingSystems', {})).items[0]?.id ?? '';
  const described = { name: 'own', description: 'own' };
  const baseImage = () =>
    client.call('createBaseImage', {
      ...described,
      container_image: 'base/debian:12',
      registry_id,
      operating_system_id,
    });
  const registry = () =>
    client.call('createRegistry', {
      ...{ ...described, provider: 'OCI', url: 'https://registry.invalid' },
      ...{ access_key: 'own', access_secret: 'own' },
    });
  await client.call('createRegistryCredential', { registry_id, description: 'own' });
  const credential = (await client.call('listRegistryCredentials', { registry_id })).items[0];
  const provider = async () => {
    const { id } = await client.call('createNotificationProvider', { type: 'EMAIL', name: 'own' });
    return { provider_id: id };
  };
  const token = async () => (await client.call('issueApiToken', { name: 'own' })).id;
  const user = async () => ({ user_id: (await client.call('createUser', { name: 'own', role: 'VIEWER' })).id });
  const organization = async (name: string) => {
    const { id } = await client.call('createOrganization', { name, owner: { name: 'own' } });
    return { organization_id: id };
  };
  return {
    checkBaseImage: { base_image_id: (await baseImage()).id },
    checkRegistry: { registry_id: (await registry()).id },
    getBaseImage: { base_image_id: (await baseImage()).id },
    getRegistry: { registry_id },
    getOrganization: await organization('seen'),
    updateOrganization: await organization('changed'),
    getUser: await user(),
    updateUser: await user(),
    deleteUser: await user(),
    getNotificationProvider: await provider(),
    updateNotificationProvider: await provider(),
    deleteNotificationProvider: await provider(),
    listNotificationDeliveries: await provider(),
    testNotificationProvider: await provider(),
    exchangeToken: { refresh_token: apiToken },
    getApiToken: { api_token_id: await token() },
    revokeApiToken: { api_token_id: await token() },
    updateBaseImage: { base_image_id: (await baseImage()).id },
    deleteBaseImage: { base_image_id: (await baseImage()).id },
    updateRegistry: { registry_id: (await registry()).id },
    createRegistryCredential: { registry_id },
    getRegistryCredential: { registry_id, credential_id: credential?.id ?? '' },
    deleteRegistryCredential: { registry_id, credential_id: credential?.id ?? '' },
  };
}

/** Requests redis and waits until it is released. Returns an identifier of each object that exists then. */
async function identifiers({ client, catalog_id }: Service, signal: AbortSignal): Promise<Record<string, string>> {
  const offering = (await client.call('listOfferings', { product_key: 'redis', packaging_types: ['CONTAINER_IMAGE'] }))
    .items[0];
  const base = (await client.call('listBaseImages', {})).items.find(({ name }) => name === 'Debian 12');
  const { id: application_request_id } = await client.call('createApplicationRequest', {
    ...{ catalog_id, kind: 'CREATION', name: 'redis' },
    application_offering_ids: [offering?.id ?? ''],
    base_image_id: base?.id ?? '',
  });
  const request = { catalog_id, application_request_id };
  const { applications } = await until('redis was released', async () => {
    signal.throwIfAborted();
    const found = await client.call('getApplicationRequest', request);
    return found.status === 'COMPLETED' && found;
  });
  const application_id = applications[0]?.id ?? '';
  const release = (await client.call('listReleases', { catalog_id, application_id })).items[0];
  const pipeline = (await client.call('listPipelines', { catalog_id, application_id })).items[0];
  const metadata = release?.platform_release_metadata?.[0]?.release_metadata[0];
  return {
    ...request,
    application_id,
    offering_id: offering?.id ?? '',
    release_id: release?.id ?? '',
    pipeline_id: pipeline?.id ?? '',
    digest: metadata?.id ?? '',
    product_id_or_key: 'redis',
    signing_key_id: (await client.call('listSigningKeys', {})).items[0]?.id ?? '',
    subscription_id: (await client.call('listSubscriptions', {})).items[0]?.id ?? '',
    branch_id_or_key: offering?.branch ?? '',
    operating_system_id: base?.operating_system?.id ?? '',
  };
}
