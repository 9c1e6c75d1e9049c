// Runs schemathesis with the OpenAPI document of a whole service that has a release. pip installs schemathesis from pinned
// versions.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EndpointDefinition } from '../../src/contract/endpoint.ts';
import { endpoints } from '../../src/contract/endpoints.ts';
import { API_SUITE_REQUIREMENTS } from '../../src/host/requirements.ts';
import { closingLine } from '../closing-line.ts';
import { type Answer, neverAccepted, readAnswers } from './answers.ts';
import { type Ground, runConformance, runProgram } from './ground.ts';
import { makeThings, type Things } from './things.ts';

const REQUIREMENTS = fileURLToPath(new URL('api/requirements.txt', import.meta.url));
const HOOKS = fileURLToPath(new URL('api/hooks.py', import.meta.url));

/** The seed of the generator. Every run makes the same cases, so that a failure can be repeated. */
const SEED = '20261121';
/** The number of cases for each operation and phase. With so many, each keyword of each schema is tested. */
const CASES = 20;

const INSTALL_MS_MAX = 300_000;
/** The time limit of a run. It takes three minutes on an idle machine, and ten times as long on a busy one. */
const RUN_MS_MAX = 1_800_000;

/** Runs schemathesis and prints its lines as they arrive. Its last line is replaced by a line with the counts. */
async function run(program: string, ground: Ground): Promise<number> {
  const { service, work, signal } = ground;
  const things = await makeThings(service, signal);
  const files = { THINGS_FILE: join(work, 'things.json'), ANSWERS_FILE: join(work, 'answers.txt') };
  writeFileSync(files.THINGS_FILE, JSON.stringify(things));
  writeFileSync(files.ANSWERS_FILE, '');
  const tokens = {
    own: await accessToken(service.url, service.apiToken),
    other: await accessToken(service.url, things.otherToken),
  };
  writeFileSync(join(work, 'schemathesis.toml'), settings(things, tokens));
  const args = [
    ...['run', `${service.url}/v1/api.yml`],
    ...['--checks', 'all', '--phases', 'examples,coverage,fuzzing,stateful', '--continue-on-failure'],
    ...['--max-examples', String(CASES), '--seed', SEED, '--no-color'],
  ];
  let cases = 0;
  let found = 0;
  let skipped = 0;
  const onLine = (line: string) => {
    if (/^=+ .* in [\d.]+s =+$/.test(line)) return;
    console.log(line);
    if (!/^\s*\d+ generated/.test(line)) return;
    cases = count(line, 'generated');
    found = count(line, 'found');
    skipped = count(line, 'skipped');
  };
  const status = await runProgram([program, ...args], { cwd: work, env: files, signal, timeoutMs: RUN_MS_MAX, onLine });
  const never = reportAcceptance(readAnswers(files.ANSWERS_FILE));
  // A run that ends with an error but without a failed case counts as one failure. Each operation that accepted no request
  // counts as one more.
  const failed = Math.max(found, status === 0 ? 0 : 1) + never.length;
  const passed = cases - found;
  console.log(closingLine('api', { passed, failed, skipped }));
  return failed > 0 || passed === 0 ? 1 : 0;
}

/** Prints how many matching requests were accepted. Prints and returns the operations that accepted no matching request. */
function reportAcceptance(answers: readonly Answer[]): string[] {
  const fitting = answers.filter(({ fits }) => fits);
  const accepted = fitting.filter(({ status }) => status < 400);
  console.log(`\n${accepted.length} of ${fitting.length} requests that fit the document were accepted`);
  const never = neverAccepted(answers, Object.keys(endpoints));
  for (const operation of never) console.log(`${operation} accepted no request that fits the document`);
  return never;
}

function count(line: string, word: string): number {
  return Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0);
}

/** Creates a virtual environment, once for each list of versions. Returns the path of the program in it. */
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

async function accessToken(url: string, apiToken: string): Promise<string> {
  const path = endpoints.exchangeToken.path;
  const response = await fetch(`${url}${path}?refresh_token=${apiToken}`, { method: 'POST' });
  return ((await response.json()) as { access_token: string }).access_token;
}

/**
 * Returns the settings of the run: identifiers of existing objects, and the checks to disable because the published rules of
 * the API contradict them.
 */
function settings({ parameters, operations, otherOperations }: Things, tokens: { own: string; other: string }): string {
  return [
    `hooks = ${JSON.stringify(HOOKS)}\nheaders = { Authorization = "Bearer ${tokens.own}" }`,
    '[checks]\n# Removed things can still be read, with `removed_at`.\nuse_after_free.enabled = false',
    // A run fails on warnings, because a warning names an operation that accepted no case.
    '[warnings]\nfail-on = ["missing_auth", "missing_test_data", "unused_openapi_auth", "missing_deserializer"]',
    `[parameters]\n${Object.entries(parameters).map(assignment).join('\n')}`,
    ...Object.entries(operations).map(([operation, given]) =>
      [
        `[[operations]]\ninclude-operation-id = "${operation}"\n[operations.parameters]`,
        ...Object.entries(given).map(assignment),
      ].join('\n'),
    ),
    ...otherOperations.map(
      (operation) =>
        `[[operations]]\ninclude-operation-id = "${operation}"\nheaders = { Authorization = "Bearer ${tokens.other}" }`,
    ),
    ...Object.entries<EndpointDefinition>(endpoints).flatMap(([operation, endpoint]) =>
      exceptions(operation, endpoint),
    ),
  ].join('\n\n');
}

function assignment([name, value]: [string, string]): string {
  return `${name} = ${JSON.stringify(value)}`;
}

/** Returns the exceptions of one operation. Each is for a rule that a schema cannot express. */
function exceptions(operation: string, endpoint: EndpointDefinition): string[] {
  const checks: string[] = [];
  const rejections = rejectionsOfFitting(operation, endpoint);
  if (rejections.length > 0) {
    const statuses = ['2xx', '3xx', '401', '403', '404', '409', '429', ...rejections];
    checks.push(`positive_data_acceptance.expected-statuses = ${JSON.stringify(statuses)}`);
  }
  // A form sends every value as text, so a value of a wrong type may be accepted.
  if (endpoint.multipart !== undefined) {
    checks.push(
      'negative_data_rejection.expected-statuses = ["204", "400", "401", "403", "404", "412", "413", "415", "429"]',
    );
  }
  if (checks.length === 0) return [];
  return [`[[operations]]\ninclude-operation-id = "${operation}"\n[operations.checks]\n${checks.join('\n')}`];
}

/**
 * Returns the statuses with which a request that matches the schema may still be rejected. 400: an identifier in a query or a
 * body of a missing object, a time in the past, a violated rule on several parameters, or an archive with wrong content. 412:
 * a product without a release, or another entity tag than the current one.
 */
function rejectionsOfFitting(operation: string, endpoint: EndpointDefinition): string[] {
  const { method, query, body, multipart, rules, problems } = endpoint;
  const names = JSON.stringify([query, body, multipart?.fields]);
  const named =
    /"\w+_(ids?|keys?|digest|at)":/.test(names) ||
    rules !== undefined ||
    operation === 'exchangeToken' ||
    operation === 'setPassword';
  // The generator sends `0` as If-Match although the pattern forbids it. It is not an entity tag.
  const conditional = method === 'PATCH' || method === 'DELETE';
  const rejected = named || conditional || multipart !== undefined;
  return [
    ...(rejected ? ['400'] : []),
    ...(conditional || problems.includes(412) ? ['412'] : []),
    // 422, because an earlier case used the same Idempotency-Key with another body.
    ...(method === 'POST' ? ['422'] : []),
  ];
}

process.exitCode = await runConformance({
  command: 'npm run conformance:api',
  requirements: API_SUITE_REQUIREMENTS,
  install,
  run,
});
