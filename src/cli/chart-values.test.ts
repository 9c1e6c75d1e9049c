// Compares values files with the schema of the redis chart. Finds keys that the chart would ignore, and suggests the keys
// that were probably meant.
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkValues } from './chart-values.ts';
import { createProgram, runProgram } from './program.ts';
import { ValuesError } from './values-file.ts';

const CHART = new URL('../../products/redis/chart/', import.meta.url);
const schema = JSON.parse(readFileSync(new URL('values.schema.json', CHART), 'utf8'));
/** The most processor time of a rejection in milliseconds. The slowest takes about two seconds. */
const REJECTION_MS_MAX = 10_000;
/** The most time of two rejections on a busy machine. */
const REJECTION_WAIT_MS_MAX = 120_000;
const lines = (text: string) => checkValues(text, schema).map(({ line, key, message }) => `${line}: ${key} ${message}`);

test('the chart’s own values are all known', () => {
  const own = readFileSync(new URL('values.yaml', CHART), 'utf8');
  const found = checkValues(own, schema);
  expect(found.map(({ key, kind }) => `${key} ${kind}`)).toEqual([
    'global.security.allowInsecureImages unnecessary',
    'kubeVersion unnecessary',
  ]);
});

test.each([
  ['auth:\n  pasword: x\n', '2: auth.pasword is ignored: the chart has no such key; did you mean auth.password?'],
  ['mater: {}\n', '1: mater is ignored: the chart has no such key; did you mean master?'],
  [
    'persistence:\n  enabled: true\n',
    '1: persistence is ignored: the chart has no such key; did you mean master.persistence, replica.persistence or sentinel.persistence?',
  ],
  [
    'master:\n  persistence:\n    storageclass: x\n',
    '3: master.persistence.storageclass is ignored: the chart has no such key; did you mean master.persistence.storageClass?',
  ],
  [
    'sentinel:\n  architecture: standalone\n',
    '2: sentinel.architecture is ignored: the chart has no such key; did you mean architecture?',
  ],
  ['sysctlImage: {}\n', '1: sysctlImage is ignored: the chart has no such key; did you mean sysctl.image?'],
  ['metrics:\n  limits: {}\n', '2: metrics.limits is ignored: the chart has no such key'],
  ['foo: 1\n', '1: foo is ignored: the chart has no such key'],
  ['enabled: true\n', '1: enabled is ignored: the chart has no such key'],
  ['on: true\n', '1: on is ignored: the chart has no such key'],
  ['__proto__: 1\n', '1: __proto__ is ignored: the chart has no such key'],
  ['"a\\u001bb": 1\n', '1: a\u001bb is ignored: the chart has no such key'],
  [`${'x'.repeat(900)}: 1\n`, `1: ${'x'.repeat(120)}… is ignored: the chart has no such key`],
  [
    'global:\n  security:\n    allowInsecureImages: true\n',
    '3: global.security.allowInsecureImages is unnecessary: this chart accepts any image',
  ],
  [
    'image:\n  repository: bitnamilegacy/redis\n',
    '2: image.repository is unnecessary: images of bitnamilegacy/redis get no updates; without this value, the chart uses an image of Larder',
  ],
  [
    'metrics:\n  image:\n    repository: "docker.io/bitnamilegacy/redis-exporter"\n',
    '3: metrics.image.repository is unnecessary: images of docker.io/bitnamilegacy/redis-exporter get no updates; without this value, the chart uses an image of Larder',
  ],
  [
    'global:\n  imageRegistry: docker.io/bitnamilegacy\n',
    '2: global.imageRegistry is unnecessary: images of docker.io/bitnamilegacy get no updates; without this value, the chart uses an image of Larder',
  ],
  [
    'auth:\n  enabled: true\nauth:\n  password: x\n',
    '1: auth is ignored: line 3 sets the same key, and helm reads only the last one',
  ],
  [
    'master: &m\n  counts: 1\n  count: 1\nreplica: {}\n',
    '2: master.counts is ignored: the chart has no such key; did you mean master.count?',
  ],
])('%j', (text, line) => {
  expect(lines(text)).toEqual([line]);
});

test('an image without a default needs another repository', () => {
  const apache = new URL('../../products/apache/chart/values.schema.json', import.meta.url);
  const found = checkValues('git:\n  repository: bitnamilegacy/git\n', JSON.parse(readFileSync(apache, 'utf8')));
  expect(found).toMatchObject([
    {
      ...{ line: 2, key: 'git.repository', kind: 'outdated' },
      message: expect.stringMatching(/get no updates; name another repository, because the chart has none by default$/),
    },
  ]);
});

describe('aliases and merge keys are read as helm reads them', () => {
  const persistence = 'extraDeploy: []\nmaster:\n  persistence: &p { size: 1Gi, sise: 2Gi }\n';
  const found = (path: string) =>
    `3: ${path}.persistence.sise is ignored: the chart has no such key; did you mean ${path}.persistence.size?`;

  test('the map of an alias', () => {
    const text = `${persistence}replica:\n  persistence: *p\n`;
    expect(lines(text)).toEqual([found('master'), found('replica')]);
  });

  test('a merged map, and a list of them', () => {
    for (const merged of ['*p', '[*p]', '[{ size: 1Gi }, *p]']) {
      const text = `${persistence}replica:\n  persistence:\n    <<: ${merged}\n    enabled: true\n`;
      expect(lines(text)).toEqual([found('master'), found('replica')]);
    }
    expect(lines('master:\n  <<: { count: 1 }\n')).toEqual([]);
  });
});

test('maps without documented keys, maps that are copied, and empty files have no finding', () => {
  const text =
    'commonLabels: { anything: x }\nmaster:\n  nodeSelector: { disk: ssd }\n  containerSecurityContext: { procMount: Default }\n  livenessProbe: { terminationGracePeriodSeconds: 5 }\n';
  expect(lines(text)).toEqual([]);
  expect(lines('auth:\nmaster: ~\n')).toEqual([]);
  expect(lines('')).toEqual([]);
  expect(lines('# nothing\n')).toEqual([]);
});

/** Returns keys as long as the documented keys, because each such key is compared with all documented keys. */
const keys = (count: number) =>
  Array.from({ length: count }, (_, at) => `master-replica-persistence-size${at}: 1\n`).join('');

test.each([
  ['a list', '- a\n', 'is not a map of keys and values'],
  ['a text', 'a', 'is not a map of keys and values'],
  ['an open list', 'auth: 1\na: [\n', 'is not valid YAML: line'],
  ['a tab', 'auth:\n\tenabled: true\n', 'is not valid YAML: line 2'],
  ['two documents', 'auth: {}\n---\nauth: {}\n', 'has a second document from line 2; helm 3 reads only the first'],
  ['a map as a key', '{ a: b }: 1\n', 'has a key that is not text in line 1'],
  ['an alias without an anchor', 'auth: *a\n', '*a'],
  ['a merged text', 'auth:\n  <<: x\n', 'has a merge key (<<) whose value is not a map'],
  ['deep lists', '['.repeat(50_000), 'is nested too deeply'],
  ['deep blocks', `${'- '.repeat(60_000)}1`, 'is nested too deeply'],
  ['deep maps', `${'{a: '.repeat(20_000)}1${'}'.repeat(20_000)}`, 'is nested too deeply'],
  ['a map that merges itself', 'master: &m\n  <<: *m\n', 'is nested too deeply'],
  ['many commas', `[${','.repeat(900_000)}`, 'has more than 200000 words and marks'],
  ['many keys', keys(300), 'has more than 200 keys that the chart would ignore, so it is not a values file'],
  [
    'maps that multiply',
    `commonLabels: &a0 { <<: [] }\n${Array.from({ length: 20 }, (_, at) => `k${at}: &a${at + 1}\n  <<: [${Array.from({ length: 9 }, () => `*a${at}`).join(', ')}]\n`).join('')}master:\n  <<: *a20\n`,
    'has more than 100000 keys, with aliases expanded',
  ],
])(
  '%s is rejected, quickly',
  (_, text, message) => {
    const before = process.cpuUsage();
    expect(() => checkValues(text, schema)).toThrow(ValuesError);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(REJECTION_MS_MAX);
    expect(() => checkValues(text, schema)).toThrow(message);
  },
  REJECTION_WAIT_MS_MAX,
);

describe('the command', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'larder-values-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function run(...args: string[]) {
    const [out, err] = [new PassThrough(), new PassThrough()];
    const texts = [out.toArray(), err.toArray()];
    const io = { out, err, in: Readable.from([]) };
    const code = await runProgram(createProgram(io), ['charts', 'check-values', ...args], io);
    out.end();
    err.end();
    const [said, errors] = (await Promise.all(texts)).map((chunks) => chunks.join(''));
    return { code, out: said, err: errors };
  }

  async function file(name: string, text: string | Buffer): Promise<string> {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    return path;
  }

  test('names ignored keys and the chart, needs no server, and ends with 1', async () => {
    const path = await file('redis.yaml', 'auth: { enabled: true }\nresources: { limits: { cpu: 1 } }\n');
    const ran = await run(path);
    expect(ran.code).toBe(1);
    expect(ran.out).toMatch(/^line 2: resources is ignored: the chart has no such key; did you mean /);
    expect(ran.err).toBe(`The chart redis would ignore 1 key of ${path}.\n`);
    const two = await run(await file('redis.yaml', 'a\u001b: 1\nfoo: 1\n'));
    expect(two.out).not.toContain('\u001b');
    expect(two.err).toContain('would ignore 2 keys of');
  });

  test('ends with 0 if the chart reads every key, or does not need some', async () => {
    expect(await run(await file('redis.yaml', 'architecture: standalone\n'))).toEqual({
      code: 0,
      out: 'The chart redis reads every key.\n',
      err: '',
    });
    const ran = await run(await file('redis.yaml', 'global: { security: { allowInsecureImages: true } }\n'), '--json');
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.out ?? '')).toMatchObject({ chart: 'redis', findings: [{ kind: 'unnecessary', line: 1 }] });
  });

  test('takes the chart from the option, the name of the file or of its folder', async () => {
    const text = 'architecture: standalone\n';
    const inFolder = await file('nginx/values.yaml', text);
    const prefixed = await file('nginx/prod-redis_1.yaml', text);
    expect((await run(inFolder)).err).toContain('The chart nginx would ignore 1 key');
    expect((await run(inFolder, '--chart', 'redis')).out).toBe('The chart redis reads every key.\n');
    expect((await run(prefixed)).out).toBe('The chart redis reads every key.\n');
    for (const name of ['values.yaml', 'redis-and-nginx.yaml', 'predis.yaml']) {
      const ran = await run(await file(name, text));
      expect(ran.code).toBe(2);
      expect(ran.err).toMatch(
        /^The name of .* does not show the chart: give --chart, one of apache, haproxy, mariadb, memcached, nginx, /,
      );
    }
  });

  test('rejects an unknown chart', async () => {
    expect(await run(await file('redis.yaml', 'a: ['), '--chart', 'none')).toMatchObject({
      code: 2,
      err: expect.stringMatching(
        /^There is no chart none\. The charts are apache, haproxy, mariadb, memcached, nginx, /,
      ),
    });
  });

  test('rejects a file that is no values file', async () => {
    const rejects = async (path: string, code: number, message: string) =>
      expect(await run(path, '--chart', 'redis')).toEqual({ code, out: '', err: expect.stringContaining(message) });
    await rejects(join(folder, 'gone'), 2, 'it does not exist');
    await rejects(folder, 2, 'it is a folder');
    await rejects(await file('broken', 'a: ['), 1, 'broken is not valid YAML: line 1: ');
    await rejects(await file('latin', Buffer.from('a: \xfc\n', 'latin1')), 1, 'latin is not text in UTF-8.');
    await rejects(await file('large', `# ${'x'.repeat(1024 ** 2)}`), 1, 'has more than 1 MiB, so it is not a values');
    await rejects('/dev/zero', 1, '/dev/zero has more than 1 MiB');
  });
});
