// Causes each documented status of each operation. 500 and 503 come from code that all operations share, which mount.test.ts,
// answers.test.ts and upload.test.ts test.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ask, giveInstallation } from '../../test/api.ts';
import { failedPipelines, openTestEstates, type TestEstates } from '../../test/estate.ts';
import { formOf } from '../../test/multipart.ts';
import { type IdOf, samplePath, sampleQuery, sampleSent } from '../../test/sample-request.ts';
import type { EndpointDefinition } from '../contract/endpoint.ts';
import { endpoints } from '../contract/endpoints.ts';
import {
  API_TOKENS_PER_USER_MAX,
  CREDENTIALS_PER_REGISTRY_MAX,
  NOTIFICATION_PROVIDERS_MAX,
  SIGNING_KEYS_OVERLAPPING_MAX,
  TEST_MESSAGES_PER_HOUR_MAX,
} from '../contract/limits.ts';
import { ROLES } from '../contract/vocabulary.ts';
import { LOGIN_LIMITS } from '../identity/failed-logins.ts';
import { openApiDocument } from './openapi/openapi.ts';

const UNKNOWN = '1b671a64-40d5-491e-99b0-da01ff1f3341';
const SHARED_MECHANISM = new Set(['500', '503']);

/** Statuses that this file does not test, each with the file that tests it. */
const NOT_HERE: Record<string, string> = {
  'createCustomization 413': 'upload.test.ts',
  'updateCustomization 413': 'upload.test.ts, by the same reader',
  'createCustomization 429': 'test/containment/shares.test.ts',
  'updateCustomization 429': 'test/containment/shares.test.ts, by the same slots',
  'deleteRegistry 409': 'catalog/in-use.test.ts',
  'revokeApiToken 409': 'http/ways-in.test.ts',
};

/**
 * Whether every role may call the operation. Then it never answers 403 because of the role, although the published reference
 * documents 403 for every operation.
 */
function isForEveryRole(operation: string): boolean {
  const access = Object.entries<EndpointDefinition>(endpoints).find(([name]) => name === operation)?.[1].access;
  return access !== 'PUBLIC' && ROLES.every((role) => access?.includes(role));
}

let estates: TestEstates;
let failedPipeline: () => Promise<string>;
beforeAll(async () => {
  estates = await openTestEstates();
  await giveInstallation(estates.api);
  failedPipeline = failedPipelines(estates.catalog, 'nginx');
  const { api } = estates;
  for (const key of ['one', 'two']) {
    const headers = { 'idempotency-key': key };
    if (key === 'one')
      await api.ask('POST', '/v1/notification-providers', { body: { type: 'EMAIL', name: 'x' }, headers });
    else await api.ask('POST', '/v1/registries', { body: REGISTRY, headers });
  }
}, 120_000);
afterAll(() => estates.api.close());

const REGISTRY = { name: 'r', description: 'r', provider: 'OCI', url: 'https://registry.invalid', access_secret: 's' };

/** Changes to the sample request of the contract: other ids, another body, other headers, another query or another token. */
type Change = { ids?: Record<string, string>; sent?: Ask; query?: Record<string, string>; token?: string | undefined };
type Provoke = (operation: string, endpoint: EndpointDefinition) => Promise<Change> | Change;

const own = (kind: string) => estates.acme[kind]?.at(-1) ?? estates.shared[kind] ?? '';
const hosted = () => estates.acme['registry_id']?.[0] ?? '';

async function make(path: string, body: object): Promise<string> {
  const made = await estates.api.ask('POST', path, { body });
  expect([path, made.statusCode]).toEqual([path, 201]);
  return String(made.headers['location']).split('/').at(-1) ?? '';
}

/** Sends a request `times` times, to reach a limit. */
async function fill(times: number, path: string, sent: Ask): Promise<void> {
  for (let time = 0; time < times; time++) await estates.api.ask('POST', path, sent);
}

const large = 'x'.repeat(80 * 1024);

/** The change to the sample request that causes a status in any operation, by status. */
const ANY: Record<string, Provoke> = {
  304: () => ({ sent: { headers: { 'if-none-match': '*' } } }),
  400: () => ({ query: { no_such_parameter: 'x' } }),
  401: () => ({ token: undefined }),
  403: () => ({ token: estates.api.acme.access.VIEWER }),
  404: () => ({ ids: { catalog_id: UNKNOWN, registry_id: UNKNOWN, base_image_id: UNKNOWN, ...NOTHING } }),
  412: () => ({ sent: { headers: { 'if-match': '"other"' } } }),
  413: () => ({ sent: { body: large, headers: { 'content-type': 'application/json' } } }),
  415: () => ({ sent: { body: 'x', headers: { 'content-type': 'text/plain' } } }),
  422: (operation) => {
    const key = operation === 'createNotificationProvider' ? 'two' : 'one';
    return { sent: { headers: { 'idempotency-key': key } } };
  },
};
const NOTHING = {
  offering_id: UNKNOWN,
  operating_system_id: UNKNOWN,
  provider_id: UNKNOWN,
  api_token_id: UNKNOWN,
  user_id: UNKNOWN,
  organization_id: UNKNOWN,
  subscription_id: UNKNOWN,
  product_id_or_key: 'nothing',
  signing_key_id: 'f'.repeat(64),
};

/** The change for an operation in which the change of ANY does not cause the status, by operation and status. */
const ONE: Record<string, Record<string, Provoke>> = {
  exchangeToken: {
    200: () => ({ query: { refresh_token: estates.api.acme.tokens.VIEWER }, token: undefined }),
    401: () => ({ query: { refresh_token: 'larder_wrong' }, token: undefined }),
    413: () => ({ sent: { body: large, headers: { 'content-type': 'application/x-www-form-urlencoded' } } }),
    429: async () => {
      const path = endpoints.exchangeToken.path;
      await fill(LOGIN_LIMITS.perAddress, `${path}?refresh_token=larder_wrong`, { token: undefined });
      return { query: { refresh_token: 'larder_wrong' }, token: undefined };
    },
  },
  signInWithPassword: {
    200: async () => {
      const body = { email: 'rival@example.org', password: 'correct horse battery staple' };
      await setRivalsPassword();
      return { sent: { body }, token: undefined };
    },
    401: () => ({ token: undefined }),
    403: () => ({ sent: { headers: { 'sec-fetch-site': 'cross-site' } }, token: undefined }),
    429: async () => {
      const sent = { body: { email: 'nobody@example.org', password: 'wrong' }, token: undefined };
      await fill(LOGIN_LIMITS.perAddress, endpoints.signInWithPassword.path, sent);
      return { sent, token: undefined };
    },
  },
  setPassword: {
    409: async () => {
      await setRivalsPassword();
      return { sent: { body: RIVALS } };
    },
    429: async () => {
      await setRivalsPassword();
      const token = estates.api.rival.access.OWNER;
      const sent = { body: { email: 'nobody@example.org', password: 'wrong' }, token: undefined };
      await fill(LOGIN_LIMITS.perAddress, endpoints.signInWithPassword.path, sent);
      return { sent: { body: { ...RIVALS, current_password: 'wrong' } }, token };
    },
  },
  createApplicationRequest: {
    201: () => ({
      sent: {
        body: {
          ...{ kind: 'CREATION', name: 'x', base_image_id: estates.catalog.base },
          application_offering_ids: [estates.catalog.offerings.get('postgresql')],
        },
      },
    }),
  },
  createRegistry: { 201: () => ({ sent: { body: REGISTRY } }) },
  retryPipeline: {
    201: async () => ({ ids: { pipeline_id: await failedPipeline() } }),
    // The pipeline of the sample request succeeded, so it cannot be retried.
    409: () => ({}),
  },
  deleteRegistry: {
    204: async () => ({ ids: { registry_id: await make('/v1/registries', REGISTRY) } }),
  },
  deleteRegistryCredential: {
    204: () => ({ ids: { registry_id: hosted() } }),
    412: () => ({ ids: { registry_id: hosted() }, sent: { headers: { 'if-match': '"other"' } } }),
  },
  listRegistryCredentials: { 200: () => ({ ids: { registry_id: hosted() } }) },
  getRegistryCredential: {
    200: () => ({ ids: { registry_id: hosted() } }),
    304: () => ({ ids: { registry_id: hosted() }, sent: { headers: { 'if-none-match': '*' } } }),
  },
  createRegistryCredential: {
    201: () => ({ ids: { registry_id: hosted() } }),
    409: async () => {
      await fill(CREDENTIALS_PER_REGISTRY_MAX, `/v1/registries/${hosted()}/credentials`, { body: { description: '' } });
      return { ids: { registry_id: hosted() } };
    },
  },
  deleteBaseImage: {
    204: async () => {
      const described = { name: 'b', description: 'b', container_image: 'b:1', registry_id: own('registry_id') };
      const operating_system_id = own('operating_system_id');
      return { ids: { base_image_id: await make('/v1/base-images', { ...described, operating_system_id }) } };
    },
    409: async () => {
      await estates.catalog.request(estates.catalog.acme, ['nginx'], { base_image_id: own('base_image_id') });
      return {};
    },
  },
  createCustomization: {
    412: async () => ({ sent: formOf({ name: 'filter', content: '{"product_key":"nginx"}' }, await archivePart()) }),
  },
  createNotificationProvider: {
    409: async () => {
      await fill(NOTIFICATION_PROVIDERS_MAX, '/v1/notification-providers', { body: { type: 'EMAIL', name: 'x' } });
      return {};
    },
  },
  updateNotificationTypes: {
    404: () => ({ sent: { body: { configurations: [{ provider_id: UNKNOWN, enabled_notifications: [] }] } } }),
  },
  createUser: {
    201: () => ({ sent: { body: { name: 'joe', role: 'VIEWER' } } }),
    409: async () => {
      const body = { name: 'joe', role: 'VIEWER', email: 'joe@example.org' };
      await make('/larder/v1/users', body);
      return { sent: { body } };
    },
  },
  createOrganization: { 409: () => ({ sent: { body: { name: 'Rival', owner: { name: 'x' } } } }) },
  updateOrganization: { 409: () => ({ sent: { body: { name: 'Rival' } } }) },
  updateUser: { 409: () => ({ sent: { body: { role: 'VIEWER' } } }) },
  deleteUser: {
    204: async () => ({ ids: { user_id: await make('/larder/v1/users', { name: 'joe', role: 'VIEWER' }) } }),
    // The user of the sample request is the only owner of the organization, so the user cannot be removed.
    409: () => ({}),
  },
  issueApiToken: {
    409: async () => {
      await fill(API_TOKENS_PER_USER_MAX, '/larder/v1/api-tokens', { body: { name: 'x' } });
      return {};
    },
  },
  createSigningKey: {
    409: async () => {
      await fill(SIGNING_KEYS_OVERLAPPING_MAX + 1, '/larder/v1/signing-keys', { body: {} });
      return {};
    },
  },
  testNotificationProvider: {
    409: async () => {
      const path = `/larder/v1/notification-providers/${own('provider_id')}/test`;
      await fill(TEST_MESSAGES_PER_HOUR_MAX, path, {});
      return {};
    },
  },
};

const RIVALS = { email: 'rival@example.org', new_password: 'correct horse battery staple' };

async function setRivalsPassword(): Promise<void> {
  await estates.api.ask('PUT', endpoints.setPassword.path, { token: estates.api.rival.access.OWNER, body: RIVALS });
}

async function archivePart() {
  const { packed, rootfs } = await import('../../test/fixtures/customization.ts');
  const content = await packed([rootfs('etc/motd', { content: randomBytes(8) })]);
  return { name: 'file', filename: 'x.tar.gz', content };
}

async function statusOf(endpoint: EndpointDefinition, change: Change): Promise<number> {
  const idOf: IdOf = (kind) => change.ids?.[kind] ?? own(kind);
  const sample = await sampleSent(endpoint, idOf);
  const headers = { ...sample.headers, ...change.sent?.headers };
  const token = 'token' in change ? { token: change.token } : {};
  const path = samplePath(endpoint, idOf) + sampleQuery(endpoint, change.query, idOf);
  return (await estates.api.ask(endpoint.method, path, { ...sample, ...change.sent, headers, ...token })).statusCode;
}

type Documented = { operationId: string; responses: Record<string, unknown> };
const documented = (openApiDocument() as { paths: Record<string, Record<string, Documented>> }).paths;
const order = (operation: string, status: string) =>
  status !== '204' ? Number(status) : operation.startsWith('delete') ? 601 : 600;
const table = Object.values(documented)
  .flatMap((path) => Object.values(path))
  .flatMap(({ operationId: operation, responses }) => Object.keys(responses).map((status) => ({ operation, status })))
  .filter(({ status }) => !SHARED_MECHANISM.has(status))
  .filter(({ operation, status }) => NOT_HERE[`${operation} ${status}`] === undefined)
  .filter(({ operation, status }) => status !== '403' || !isForEveryRole(operation))
  // Deletions come last, because the other operations use the resources that the deletions remove.
  .sort((one, other) => order(one.operation, one.status) - order(other.operation, other.status));

describe('an operation answers each documented status', () => {
  test.each(table)('$operation $status', async ({ operation, status }) => {
    const endpoint: EndpointDefinition | undefined = Object.entries<EndpointDefinition>(endpoints).find(
      ([name]) => name === operation,
    )?.[1];
    if (endpoint === undefined) throw new Error(`There is no ${operation}`);
    const provoke = ONE[operation]?.[status] ?? ANY[status] ?? (Number(status) < 300 ? () => ({}) : undefined);
    if (provoke === undefined) throw new Error(`ANY and ONE have no request for which ${operation} answers ${status}`);
    expect(await statusOf(endpoint, await provoke(operation, endpoint))).toBe(Number(status));
  });
});
