// Every command of `larder` ends with an exit status and a clear line. No failure prints a stack trace.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import type { Command, Option } from 'commander';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { endEntrances, startEntrance } from '../../test/entrance.ts';
import { openTestEstates, type TestEstates } from '../../test/estate.ts';
import { writeNewKey } from '../../test/signatures.ts';
import { EXIT, type Io } from '../cli/io.ts';
import { createProgram, runProgram } from '../cli/program.ts';
import { failPhase } from '../pipelines/phases.ts';
import { createWholeProgram } from './commands.ts';

const PATIENCE_MS = 300_000;
/** Commands that become services. failures.test.ts tests their failures. */
const SERVICES = ['server', 'worker', 'start'];

type Leaf = { path: string[]; command: Command };

const unused: Io = { out: new PassThrough(), err: new PassThrough(), in: Readable.from([]) };
const leaves = leavesOf(createWholeProgram(unused, becomes));
const withoutOperator = new Set(leavesOf(createProgram(unused)).map(({ path }) => path.join(' ')));
const asking = leaves.filter(({ path }) => withoutOperator.has(path.join(' ')) && path[0] !== 'charts'); // these send no request
/** Commands of the operator, which use the database instead of a server. */
const beside = leaves.filter(({ path }) => !SERVICES.includes(path[0] ?? '') && !withoutOperator.has(path.join(' ')));

function becomes(): never {
  throw new Error('This test starts no service.');
}

function leavesOf(command: Command, path: string[] = []): Leaf[] {
  if (command.commands.length === 0) return [{ path, command }];
  return command.commands.flatMap((below) => leavesOf(below, [...path, below.name()]));
}

/** Returns the words of a command line, with `value` for each required option and argument. */
function wordsOf({ path, command }: Leaf, value: string | ((expects: Option | undefined) => string)): string[] {
  const of = typeof value === 'string' ? () => value : value;
  const options = command.options.filter(({ mandatory }) => mandatory);
  return [
    ...path,
    ...options.flatMap((option) => [option.long ?? '', of(option)]),
    '--',
    ...command.registeredArguments.filter(({ required }) => required).map(() => of(undefined)),
  ];
}

/** Returns a value that the command accepts for this option. */
function fittingValue(option: Option | undefined): string {
  return option?.long === '--role' ? 'viewer' : 'anything';
}

/** The words of commands for which the values of `fittingValue` are not enough to send a request. */
const FITTING: Record<string, string[]> = {
  'tokens create': ['tokens', 'create', 'anything'],
  'users set-role': ['users', 'set-role', 'anybody', 'viewer'],
  'registries add': ['registries', 'add', 'anything', 'https://registry.example', '--anonymous'],
  'registries update': ['registries', 'update', 'anything', '--description', 'anything'],
  api: ['api', 'GET', '/v1/catalogs'],
};

/** Commands that send no token, because the main catalog is public. So a wrong token has no effect on them. */
const PUBLIC = ['products list'];

type Ran = { code: number; out: string; err: string };

async function run(
  args: readonly string[],
  { url, token = 'larder_x' }: { url: string; token?: string },
): Promise<Ran> {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const texts = [out, err].map((stream) => stream.toArray());
  const io = { out, err, in: Readable.from(['']) };
  const code = await runProgram(createWholeProgram(io, becomes), ['--url', url, '--token', token, ...args], io);
  out.end();
  err.end();
  const [said = '', errors = ''] = (await Promise.all(texts)).map((chunks) => chunks.join(''));
  return { code, out: said, err: errors };
}

/** Expects one of these exit codes and an error text without a stack and without repetitions. */
function expectClear(words: readonly string[], { code, err }: Ran, codes: readonly number[]): void {
  const what = `${words.join(' ').slice(0, 200)} → ${code}\n${err}`;
  expect(codes, what).toContain(code);
  expect(err, what).not.toMatch(/^\s+at |\[object|undefined|TypeError|node:internal|error: error/im);
  if (code === EXIT.done) return;
  expect(err.trim(), what).not.toBe('');
  expect(
    err.split('\n').every((line) => line.length < 1_000),
    what,
  ).toBe(true);
}

let api: TestApi;
let apiUrl: string;
let folder: string;
let customization: string;

beforeAll(async () => {
  api = await openTestApi();
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  apiUrl = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`;
  folder = mkdtempSync(join(tmpdir(), 'larder-every-'));
  customization = join(folder, 'good');
  mkdirSync(join(customization, 'rootfs/etc'), { recursive: true });
  writeFileSync(join(customization, 'rootfs/etc/motd'), 'hello\n');
  writeFileSync(join(folder, 'locked'), 'x');
  chmodSync(join(folder, 'locked'), 0);
  vi.stubEnv('LARDER_DATABASE_URL', 'postgresql://larder:topsecret@127.0.0.1:1/larder');
  vi.stubEnv('LARDER_DATA', folder);
  // Larder accepted the correct token once from this address, so it still accepts the token if many wrong ones follow.
  expect(await run(['login'], { url: apiUrl, token: api.acme.tokens.OWNER })).toMatchObject({ code: EXIT.done });
}, PATIENCE_MS);
afterAll(async () => {
  vi.unstubAllEnvs();
  await api.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Returns a command line that sends a request. */
function asks(leaf: Leaf): string[] {
  const name = leaf.path.join(' ');
  if (name === 'customize') return ['customize', customization];
  if (name === 'signing-keys import') return [...leaf.path, writeNewKey(folder)];
  return FITTING[name] ?? wordsOf(leaf, fittingValue);
}

test('the program has the commands, in groups', () => {
  const names = leaves.map(({ path }) => path.join(' '));
  expect(names).toEqual(expect.arrayContaining(['customize', 'registries add', 'keys rotate', ...SERVICES]));
  expect(asking.length).toBeGreaterThan(30);
  for (const { command } of leaves) expect(command.description()).not.toBe('');
});

describe('a server that is not Larder', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
    server = undefined;
  });

  async function serve(answer: RequestListener): Promise<string> {
    const made = createServer(answer);
    server = made;
    await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(made.address() as AddressInfo).port}`;
  }

  const json = { 'content-type': 'application/json' };
  const html = { 'content-type': 'text/html' };
  /** Answers with a body that never ends. */
  const endless: RequestListener = (_request, response) => {
    response.writeHead(200, json);
    const more = () => {
      while (response.write(Buffer.alloc(1024 * 1024, ' ')));
    };
    response.on('drain', more);
    more();
  };
  const ANSWERS: Record<string, RequestListener> = {
    'a page of HTML': (_request, response) => response.writeHead(200, html).end('<html>Welcome</html>'),
    'a gateway’s error page': (_request, response) => response.writeHead(502, html).end('<html>Bad gateway</html>'),
    'an empty answer': (_request, response) => response.writeHead(200).end(),
    'incomplete JSON': (_request, response) => response.writeHead(200, json).end('{"items":['),
    'a list': (_request, response) => response.writeHead(200, json).end('[]'),
    null: (_request, response) => response.writeHead(200, json).end('null'),
    'an empty object': (_request, response) => response.writeHead(200, json).end('{}'),
    'a page of null': (_request, response) => response.writeHead(200, json).end('{"items":[null]}'),
    'another status of success': (_request, response) => response.writeHead(206, json).end('{}'),
    'a 201 without a usable Location': (_request, response) => response.writeHead(201, { location: '/%zz' }).end(),
    'a redirection': (_request, response) => response.writeHead(302, { location: 'https://elsewhere.example/' }).end(),
    'an answer without end': endless,
    'a connection that is cut': (request) => request.socket.destroy(),
    'an incomplete answer': (_request, response) => {
      response.writeHead(200, { ...json, 'content-length': 100 });
      response.write('{"items":[', () => response.destroy());
    },
  };
  const token = `${Buffer.from('{}').toString('base64url')}.${Buffer.from('{}').toString('base64url')}.x`;

  for (const [name, answer] of Object.entries(ANSWERS)) {
    test(`${name}, from the first request on and after the token exchange`, { timeout: PATIENCE_MS }, async () => {
      let exchanges = false;
      const url = await serve((request, response) => {
        if (!exchanges || !request.url?.includes('/api-tokens/authorize')) return answer(request, response);
        return response.writeHead(200, json).end(
          JSON.stringify({
            access_token: token,
            token_type: 'bearer',
            expires_in: 1800,
            scope: '',
            refresh_token: 'x',
            id_token: 'x',
          }),
        );
      });
      // Two commands are enough for the endless answer, because it takes long to read and all commands share one reader.
      const some =
        name === 'an answer without end'
          ? asking.filter(({ path }) => ['releases list', 'api'].includes(path.join(' ')))
          : asking;
      for (const leaf of some) {
        const words = asks(leaf);
        exchanges = false;
        expectClear(words, await run(words, { url }), [EXIT.unreachable]);
        exchanges = true;
        // These two commands need not fail: `api` prints any answer, and `token` sends no request after the first one.
        const free = ['api', 'token'].includes(leaf.path.join(' '));
        expectClear(words, await run(words, { url }), free ? [EXIT.done, EXIT.unreachable] : [EXIT.unreachable]);
      }
    });
  }

  test('a problem with strange parts', async () => {
    const problem = { type: '/problems/x', title: 'It\u001b[31m is rejected', violations: [null, 3, { field: 'a' }] };
    const url = await serve((_request, response) =>
      response.writeHead(400, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem)),
    );
    for (const leaf of asking) {
      const ran = await run(asks(leaf), { url });
      expectClear(asks(leaf), ran, [EXIT.rejected]);
      expect(ran.err).toContain('It [31m is rejected');
    }
  });

  test('no server, an invalid URL, no token, a wrong token', async () => {
    for (const leaf of asking) {
      const words = asks(leaf);
      expectClear(words, await run(words, { url: 'http://127.0.0.1:1' }), [EXIT.unreachable]);
      for (const url of ['nowhere', 'ftp://127.0.0.1', 'http://a:b@127.0.0.1', 'http://127.0.0.1:99999', '']) {
        expectClear(words, await run(words, { url }), [EXIT.usage]);
      }
      expectClear(words, await run(words, { url: apiUrl, token: '' }), [EXIT.usage]);
      const allowed = PUBLIC.includes(leaf.path.join(' ')) ? EXIT.done : EXIT.rejected;
      expectClear(words, await run(words, { url: apiUrl, token: 'larder_wrong' }), [allowed]);
    }
  });
});

describe('invalid words', () => {
  test('an unknown option, and too many words', async () => {
    for (const leaf of leaves) {
      const { path } = leaf;
      const mandatory = wordsOf(leaf, fittingValue).slice(path.length, wordsOf(leaf, fittingValue).indexOf('--'));
      const ran = await run([...path, ...mandatory, '--no-such-option'], { url: apiUrl });
      expectClear(path, ran, [EXIT.usage]);
      expect(ran.err).toContain("unknown option '--no-such-option'");
    }
    for (const leaf of asking.filter(({ command }) => !command.registeredArguments.some(({ variadic }) => variadic))) {
      const words = [...asks(leaf), ...Array.from({ length: 5 }, () => 'more')];
      expectClear(words, await run(words, { url: apiUrl }), [EXIT.usage]);
    }
  });

  test('missing arguments and options', async () => {
    for (const { path, command } of leaves.filter(({ command }) =>
      command.registeredArguments.some(({ required }) => required),
    )) {
      const ran = await run(path, { url: apiUrl });
      expectClear(path, ran, [EXIT.usage]);
      expect(ran.err, command.name()).toMatch(/missing required|required option/);
    }
  });

  test('strange values for every argument and option, against a real server', { timeout: PATIENCE_MS }, async () => {
    const values = ['', ' ', '-1', '../..', 'a\nb', 'a\u0000b', '\ud800', '%zz', '"', 'x'.repeat(10_000), folder];
    const files = [
      join(folder, 'none'),
      join(folder, 'locked'),
      '/dev/null',
      '/proc/self/mem',
      join(folder, 'good/rootfs'),
    ];
    const all = [EXIT.done, EXIT.rejected, EXIT.usage];
    const { OWNER: token } = api.acme.tokens;
    for (const leaf of leaves.filter(({ path }) => !SERVICES.includes(path[0] ?? ''))) {
      for (const value of [...values, ...files]) {
        const words = wordsOf(leaf, value);
        expectClear(words, await run(words, { url: apiUrl, token }), all);
      }
      for (const option of leaf.command.options.filter(({ required, optional }) => required || optional)) {
        for (const value of values) {
          const words = [...leaf.path, option.long ?? '', value, ...asks(leaf).slice(leaf.path.length)];
          expectClear(words, await run(words, { url: apiUrl, token }), all);
        }
      }
    }
  });

  test('a database that does not answer, for the commands of an operator', async () => {
    expect(beside.length).toBeGreaterThan(4);
    for (const leaf of beside) {
      const words = leaf.path.at(-1) === 'set-quota' ? [...leaf.path, 'acme', '3'] : wordsOf(leaf, 'anything');
      const ran = await run(words, { url: apiUrl });
      expectClear(words, ran, [EXIT.rejected]);
      expect(ran.err).not.toContain('topsecret');
    }
  });
});

describe('a reader that closes the pipe', () => {
  let estates: TestEstates;
  let url: string;

  // This is a second server, because the wrong tokens of other tests have used up the limit of the first server.
  beforeAll(async () => {
    estates = await openTestEstates();
    url = await estates.api.app.listen({ host: '127.0.0.1', port: 0 });
  }, PATIENCE_MS);
  afterAll(async () => {
    await endEntrances();
    await estates.api.close();
  });

  async function make(path: string, body: object): Promise<string> {
    const made = await estates.api.ask('POST', path, { body });
    expect([made.statusCode, made.body]).toEqual([201, expect.any(String)]);
    return String(made.headers['location']).split('/').at(-1) ?? '';
  }

  /** Returns arguments for commands that name an object: an existing object, and a second one for commands that delete it. */
  async function namedThings(): Promise<Record<string, string[]>> {
    const { acme, shared, catalog } = estates;
    const of = (kind: string) => acme[kind]?.[0] ?? '';
    const [, registry = ''] = acme['registry_id'] ?? [];
    const system = shared['operating_system_id'] ?? '';
    const spareRegistry = await make('/v1/registries', {
      ...{ name: 'spare', description: '', provider: 'OCI', url: 'https://registry.example' },
    });
    const image = { name: 'spare', description: '', container_image: 'spare:1', registry_id: registry };
    const spareImage = await make('/v1/base-images', { ...image, operating_system_id: system });
    const { application_ids } = await catalog.request(catalog.acme, ['postgresql']);
    const failed = await catalog.openPipeline(application_ids[0] ?? '');
    const fault = { pipeline_id: failed, phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'no' } as const;
    await catalog.write((tx) => failPhase(tx, fault));
    return {
      'products get': ['redis'],
      'offerings get': [shared['offering_id'] ?? ''],
      'applications get': [of('application_id')],
      request: ['nginx', '--base-image', 'own'],
      remove: [of('application_id')],
      'requests get': [of('application_request_id')],
      'customizations get': [of('customization_id')],
      'customizations update': [of('customization_id'), '--name', 'renamed'],
      'customizations delete': [of('customization_id')],
      'releases get': [of('release_id')],
      release: [of('release_id')],
      'pipelines get': [of('pipeline_id')],
      retry: [failed],
      'waves get': [of('wave_id')],
      rebuild: [of('application_id')],
      'registries get': [registry],
      'registries update': [registry, '--description', 'changed'],
      'registries check': [registry, '--no-wait'],
      'registries remove': [spareRegistry],
      'base-images get': [of('base_image_id')],
      'base-images add': ['added', '--registry', registry, '--image', 'added:1', '--os', system],
      'base-images check': [of('base_image_id'), '--no-wait'],
      'base-images remove': [spareImage],
      'credentials get': [of('credential_id')],
      'notification-providers get': [of('provider_id')],
      'notification-providers deliveries': [of('provider_id')],
      ...{ 'signing-keys get': [of('signing_key_id')], 'tokens get': [of('api_token_id')] },
      'tokens revoke': [of('api_token_id')],
      'users get': [of('user_id')],
      'users set-role': [await make('/larder/v1/users', { name: 'spare', role: 'EDITOR' }), 'viewer'],
      'users remove': [await make('/larder/v1/users', { name: 'spare too', role: 'EDITOR' })],
    };
  }

  test('ends every command without an error', { timeout: PATIENCE_MS }, async () => {
    const things = await namedThings();
    const end = async (leaf: Leaf) => {
      const given = things[leaf.path.join(' ')];
      const words = given === undefined ? asks(leaf) : [...leaf.path, ...given];
      const cli = await startEntrance('cli', {
        args: ['--url', url, '--token', estates.api.acme.tokens.OWNER, ...words],
      });
      cli.child.stdout?.destroy();
      expect([words.join(' '), await cli.ended, cli.said()]).toEqual([words.join(' '), EXIT.done, '']);
    };
    const endAll = async (left: Leaf[]): Promise<void> => {
      for (let leaf = left.pop(); leaf !== undefined; leaf = left.pop()) await end(leaf);
    };
    const deletes = ({ path }: Leaf) => /^(remove|delete|revoke)$/.test(path.at(-1) ?? '');
    // Retries come first. Other commands create an open pipeline, and a retry is rejected while the application has one.
    const retries = ({ path }: Leaf) => path[0] === 'retry';
    await endAll(asking.filter(retries));
    const others = asking.filter((leaf) => !deletes(leaf) && !retries(leaf));
    await Promise.all([endAll(others), endAll(others), endAll(others)]);
    await endAll(asking.filter(deletes));
  });
});
