// Runs schemathesis, installed by pip from pinned versions, over the OpenAPI document of a whole service with a release in it.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EndpointDefinition } from '../../src/contract/endpoint.ts';
import { endpoints } from '../../src/contract/endpoints.ts';
import { API_SUITE_REQUIREMENTS } from '../../src/host/requirements.ts';
import { closingLine } from '../closing-line.ts';
import { type Service, until } from '../service.ts';
import { type Ground, runConformance, runProgram } from './ground.ts';

const REQUIREMENTS = fileURLToPath(new URL('api/requirements.txt', import.meta.url));
const HOOKS = fileURLToPath(new URL('api/hooks.py', import.meta.url));

/** The same cases in every run: what fails here fails there. */
const SEED = '20261121';
/** Cases an operation and a phase: enough for each keyword of each schema, in about two minutes for all of them. */
const CASES = 20;

const INSTALL_MS_MAX = 300_000;
/** Three minutes on a machine of its own, ten times that beside others. */
const RUN_MS_MAX = 1_800_000;

/** Line by line as they come, and closed with the counts in place of its own last line, which gives none of them. */
async function run(program: string, ground: Ground): Promise<number> {
  const { service, work, signal } = ground;
  writeFileSync(join(work, 'schemathesis.toml'), await settings(service, signal));
  const args = [
    ...['run', `${service.url}/v1/api.yml`, '--header', `Authorization: Bearer ${await accessToken(service)}`],
    ...['--checks', 'all', '--phases', 'examples,coverage,fuzzing,stateful', '--continue-on-failure'],
    ...['--max-examples', String(CASES), '--seed', SEED, '--no-color'],
  ];
  let cases = 0;
  let passed = 0;
  let skipped = 0;
  const onLine = (line: string) => {
    if (/^=+ .* in [\d.]+s =+$/.test(line)) return;
    console.log(line);
    if (!/^\s*\d+ generated/.test(line)) return;
    cases = count(line, 'generated');
    passed = count(line, 'passed');
    skipped = count(line, 'skipped');
  };
  const status = await runProgram([program, ...args], { cwd: work, signal, timeoutMs: RUN_MS_MAX, onLine });
  // What ended it otherwise than by a case failed it too.
  const failed = status === 0 ? cases - passed : Math.max(1, cases - passed);
  console.log(closingLine('api', { passed, failed, skipped }));
  return failed > 0 || passed === 0 ? 1 : 0;
}

function count(line: string, word: string): number {
  return Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0);
}

/** A virtual environment that is made once for each list of versions. Answers the path of the program in it. */
async function install(signal: AbortSignal): Promise<string> {
  const version = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12);
  const folder = fileURLToPath(new URL(`../../node_modules/.cache/schemathesis-${version}`, import.meta.url));
  const done = join(folder, 'done');
  if (!existsSync(done)) {
    console.log('Installing schemathesis');
    rmSync(folder, { recursive: true, force: true });
    await succeed(['python3', '-m', 'venv', folder], signal);
    await succeed([join(folder, 'bin', 'pip'), 'install', '--quiet', '--requirement', REQUIREMENTS], signal);
    writeFileSync(done, '');
  }
  return join(folder, 'bin', 'schemathesis');
}

async function succeed(command: string[], signal: AbortSignal): Promise<void> {
  const status = await runProgram(command, { signal, timeoutMs: INSTALL_MS_MAX });
  if (status !== 0) throw new Error(`«${command.join(' ')}» ended with exit code ${status}`);
}

async function accessToken({ url, apiToken }: Service): Promise<string> {
  const path = endpoints.exchangeToken.path;
  const response = await fetch(`${url}${path}?refresh_token=${apiToken}`, { method: 'POST' });
  return ((await response.json()) as { access_token: string }).access_token;
}

/** Settings of the run: identifiers of what is there, and the checks that the API's published rules contradict. */
async function settings(service: Service, signal: AbortSignal): Promise<string> {
  const parameters = Object.entries(await identifiers(service, signal)).map(
    ([name, value]) => `${name} = ${JSON.stringify(value)}`,
  );
  return [
    `hooks = ${JSON.stringify(HOOKS)}`,
    // A warning is an operation that no case got into.
    '[checks]\n# Removal is soft: what was removed is still answered, with `removed_at`.\nuse_after_free.enabled = false',
    '[warnings]\nfail-on = ["missing_auth", "missing_test_data", "unused_openapi_auth", "missing_deserializer"]',
    `[parameters]\n${parameters.join('\n')}`,
    ...Object.entries(await ownThings(service)).map(([operation, parameters]) => given(operation, parameters)),
    // Its identifiers stand in the body, where none can be given: all of them name nothing.
    '[[operations]]\ninclude-operation-id = "updateNotificationTypes"\nwarnings = false',
    // No person of the service has a password until the owner sets one: every pair is a wrong one.
    '[[operations]]\ninclude-operation-id = "signInWithPassword"\nwarnings = false',
    // Nothing has failed in a service that releases.
    '[[operations]]\ninclude-operation-id = "getReleaseFailure"\nwarnings = false',
    ...Object.entries<EndpointDefinition>(endpoints).flatMap(([operation, endpoint]) =>
      exceptions(operation, endpoint),
    ),
  ].join('\n\n');
}

function given(operation: string, parameters: Record<string, string>): string {
  const lines = Object.entries(parameters).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  return `[[operations]]\ninclude-operation-id = "${operation}"\n[operations.parameters]\n${lines.join('\n')}`;
}

/**
 * Things that an operation may change or take away: each has its own, so that none of them takes another's. The base image
 * is the installation's own one, registered again by the organization.
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

/** Exceptions of one operation, each for a reason that a schema cannot hold. */
function exceptions(operation: string, endpoint: EndpointDefinition): string[] {
  const checks: string[] = [];
  const rejections = rejectionsOfFitting(operation, endpoint);
  if (rejections.length > 0) {
    const statuses = ['2xx', '3xx', '401', '403', '404', '409', '429', ...rejections];
    checks.push(`positive_data_acceptance.expected-statuses = ${JSON.stringify(statuses)}`);
  }
  // A part of a form is text, whatever type it is made from.
  if (endpoint.multipart !== undefined) {
    checks.push(
      'negative_data_rejection.expected-statuses = ["204", "400", "401", "403", "404", "412", "413", "415", "429"]',
    );
  }
  if (checks.length === 0) return [];
  return [`[[operations]]\ninclude-operation-id = "${operation}"\n[operations.checks]\n${checks.join('\n')}`];
}

/**
 * Statuses with which a request that fits the schema may still be rejected: an identifier in a query or a body that names
 * nothing, or a time that is past (400), demands on several parameters (400), an archive whose content is wrong (400), a product
 * without a release or an entity tag that is not the thing's (412).
 */
function rejectionsOfFitting(operation: string, endpoint: EndpointDefinition): string[] {
  const { method, query, body, multipart, rules, problems } = endpoint;
  const names = JSON.stringify([query, body, multipart?.fields]);
  const named =
    /"\w+_(ids?|keys?|digest|at)":/.test(names) ||
    rules !== undefined ||
    operation === 'exchangeToken' ||
    operation === 'setPassword';
  // The generator sends `0` as If-Match, which is no entity tag whatever the pattern says.
  const conditional = method === 'PATCH' || method === 'DELETE';
  const rejected = named || conditional || multipart !== undefined;
  return [
    ...(rejected ? ['400'] : []),
    ...(conditional || problems.includes(412) ? ['412'] : []),
    // An Idempotency-Key that an earlier case used with another body.
    ...(method === 'POST' ? ['422'] : []),
  ];
}

/** Requests redis, waits until it is released, and answers an identifier of everything there then is. */
async function identifiers({ client, catalog_id }: Service, signal: AbortSignal): Promise<Record<string, string>> {
  const offering = (await client.call('listOfferings', { product_key: 'redis' })).items[0];
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
    subscription_id: (await client.call('listSubscriptions', {})).items[0]?.id ?? '',
    branch_id_or_key: offering?.branch ?? '',
    operating_system_id: base?.operating_system?.id ?? '',
  };
}

process.exitCode = await runConformance({
  command: 'npm run conformance:api',
  requirements: API_SUITE_REQUIREMENTS,
  install,
  run,
});
