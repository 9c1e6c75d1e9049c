// Reads the product library. A wrong recipe is rejected with all violations, each with file, line and reason.
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memoryContent } from '../content/memory.ts';
import type { Recipe } from '../plan/recipe.ts';
import { loadOperatingSystems } from './operating-systems.ts';
import {
  loadRecipes,
  RecipeRejected,
  type RecipeViolation,
  recipeContents,
  recipeDigest,
  storeRecipeFiles,
} from './recipe.ts';

const PRODUCTS = new URL('../../products/', import.meta.url).pathname;
let scratch: string;
let source: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'larder-recipes-'));
  source = await readFile(join(PRODUCTS, 'redis', 'recipe.yaml'), 'utf8');
  // The folder of library charts must be next to the folder of products.
  await cp(join(PRODUCTS, '../charts'), join(scratch, 'charts'), { recursive: true });
});
afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

let libraries = 0;

/** Creates a library with only redis, whose recipe has the text that `change` returns, and its exporter. */
async function library(change: (text: string) => string): Promise<string> {
  libraries += 1;
  const directory = join(scratch, `library-${libraries}`);
  for (const key of ['redis', 'redis-exporter'])
    await cp(join(PRODUCTS, key), join(directory, key), { recursive: true });
  const changed = change(source);
  expect(changed).not.toBe(source);
  await writeFile(join(directory, 'redis', 'recipe.yaml'), changed);
  return directory;
}

async function violationsOf(directory: string): Promise<RecipeViolation[]> {
  const error: unknown = await loadRecipes(directory).catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(RecipeRejected);
  return (error as RecipeRejected).violations;
}

async function onlyViolation(change: (text: string) => string): Promise<RecipeViolation> {
  const violations = await violationsOf(await library(change));
  expect(violations).toHaveLength(1);
  return violations[0] as RecipeViolation;
}

function lineOf(text: string, part: string): number {
  return text.slice(0, text.indexOf(part)).split('\n').length;
}

describe('the product library', () => {
  let recipes: Recipe[];
  beforeAll(async () => {
    recipes = await loadRecipes(PRODUCTS);
  });

  test('has the expected products, none of which runs as root or names a version of an input', async () => {
    expect(recipes.map(({ key }) => key)).toEqual(
      expect.arrayContaining(['apache', 'haproxy', 'mariadb', 'memcached', 'nginx', 'postgresql', 'rabbitmq', 'redis']),
    );
    const known = (await loadOperatingSystems(PRODUCTS)).map(({ key }) => key);
    for (const { user, inputs, tests, operating_systems } of recipes) {
      expect(known).toEqual(expect.arrayContaining(operating_systems));
      expect(user.uid).toBeGreaterThan(0);
      expect(tests.length).toBeGreaterThan(0);
      expect(inputs.map(({ purl }) => purl).join()).not.toMatch(/@/);
    }
  });

  test('has recipes of plain JSON, whose files are stored as content by digest', async () => {
    for (const recipe of recipes) {
      expect(JSON.parse(JSON.stringify(recipe))).toEqual(recipe);
      const content = memoryContent();
      await storeRecipeFiles(PRODUCTS, recipe, content);
      expect(recipe.icon).toBeDefined();
      for (const digest of recipeContents(recipe)) expect(await content.stat(digest)).toBeDefined();
      for (const { digest, size } of recipe.files) expect(await content.stat(digest)).toMatchObject({ size });
    }
  });

  test('has another digest for each change of a recipe', () => {
    const [recipe] = recipes as [Recipe];
    expect(recipeDigest(structuredClone(recipe))).toBe(recipeDigest(recipe));
    expect(recipeDigest({ ...recipe, name: `${recipe.name}!` })).not.toBe(recipeDigest(recipe));
  });
});

describe('a recipe', () => {
  test.each<[string, (text: string) => string, string, RegExp]>([
    [
      'an unknown field',
      (text) => text.replace('category:', 'kategory: x\ncategory:'),
      'category:',
      /^kategory is not known; did you mean category\?$/,
    ],
    [
      'an unknown inner field',
      (text) => text.replace('main: true', 'main: true\n    maim: true'),
      'main: true',
      /inputs\[0\]\.maim is not known/,
    ],
    [
      'a number instead of a text',
      (text) => text.replace('branch: "7.0"', 'branch: 7.0'),
      'branch: "7.0"',
      /life_cycle\[0\]\.branch must be a text: write it in quotes/,
    ],
    [
      'a mode that YAML would read as another number',
      (text) => text.replace('mode: "0775"', 'mode: 0775'),
      'mode: "0775"',
      /folders\[0\]\.mode must be a text/,
    ],
    ['an impossible mode', (text) => text.replace('mode: "0775"', 'mode: "0999"'), 'mode: "0775"', /four octal digits/],
    [
      'a version in an input',
      (text) => text.replace('debian/redis-server', 'debian/redis-server@7.0.15'),
      'pkg:deb/debian/redis-server',
      /without version and qualifiers/,
    ],
    [
      'an input that is not a package URL',
      (text) => text.replace('pkg:deb/debian/redis-server', 'redis-server'),
      'pkg:deb/debian/redis-server',
      /must be a package URL/,
    ],
    [
      'a type without a resolver',
      (text) => text.replace('pkg:deb/debian/redis-tools', 'pkg:cargo/debian/redis-tools'),
      'pkg:deb/debian/redis-tools',
      /inputs of type cargo are not supported; expected deb/,
    ],
    [
      'an input of another distribution',
      (text) =>
        text
          .replace('pkg:deb/debian/redis-tools', 'pkg:deb/ubuntu/redis-tools')
          .replace('[debian-12, debian-13]', '[debian-12]'),
      'pkg:deb/debian/redis-tools',
      /namespace debian for debian-12/,
    ],
    [
      'root as its user',
      (text) => text.replace('uid: 1001, gid: 0, home', 'uid: 0, gid: 0, home'),
      'user: {',
      /user\.uid must be a whole number from 1/,
    ],
    [
      'a privileged port',
      (text) => text.replace('- port: 6379', '- port: 637'),
      '- port: 6379',
      /ports\[0\]\.port must be a whole number from 1024/,
    ],
    [
      'a relative path',
      (text) => text.replace('working_directory: /data', 'working_directory: data'),
      'working_directory:',
      /must be an absolute path/,
    ],
    [
      'a path with ..',
      (text) => text.replace('- /var/lib/redis', '- /var/../etc'),
      '- /var/lib/redis',
      /without \/\/, \., \.\./,
    ],
    [
      'a path that the machine fills when it runs',
      (text) => text.replace('- /var/lib/redis', '- /run/redis'),
      '- /var/lib/redis',
      /not under \/proc/,
    ],
    [
      'an unknown kind of test',
      (text) => text.replace('kind: tcp', 'kind: telnet'),
      'name: speaks its protocol',
      /tests\[6\]\.kind must be exec or http or tcp/,
    ],
    [
      'a field of another kind of test',
      (text) => text.replace('kind: tcp,', 'kind: tcp, path: /,'),
      'name: speaks its protocol',
      /tests\[6\]\.path is not known/,
    ],
    ['a day that does not exist', (text) => text.replace('2028-06-30', '2028-06-31'), '2028-06-30', /must be a date/],
    ['a missing field', (text) => text.replace(/^home_url:.*\n/m, ''), '', /^home_url is missing$/],
    ['an empty text', (text) => text.replace('category: Database', 'category: ""'), 'category:', /must not be empty/],
    [
      'a variable in lowercase letters',
      (text) => text.replace('REDIS_PORT: "6379"', 'redis_port: "6379"'),
      'REDIS_PORT: "6379"',
      /variable name in capitals/,
    ],
    ['another format', (text) => text.replace('format: 1', 'format: 2'), 'format:', /format must be 1/],
    [
      'an unknown packaging type',
      (text) => text.replace('[CONTAINER_IMAGE, HELM_CHART]', '[SNAP]'),
      'packaging_types:',
      /packaging_types\[0\] must be/,
    ],
    [
      'a key of another folder',
      (text) => text.replace('key: redis', 'key: valkey'),
      'key: redis',
      /must be the folder's name, redis/,
    ],
    [
      'a missing file',
      (text) => text.replace('source: redis.conf', 'source: redis.cnf').replace('name: Redis\n', 'name: Redis\n'),
      'source: redis.conf',
      /files\/redis\.cnf does not exist/,
    ],
    [
      'a volume without an owner',
      (text) => text.replace('volumes: [/data]', 'volumes: [/data, /more]'),
      'volumes:',
      /\/more must also be in folders/,
    ],
    [
      'a repeated path',
      (text) => text.replace('path: /usr/local/etc/redis/conf.d,', 'path: /usr/local/etc/redis,'),
      'path: /usr/local/etc/redis/conf.d',
      /\/usr\/local\/etc\/redis occurs twice/,
    ],
    [
      'a test of a closed port',
      (text) => text.replace('kind: tcp, port: 6379', 'kind: tcp, port: 6380'),
      'name: speaks its protocol',
      /port 6380 is not in ports/,
    ],
    [
      'an entrypoint without an absolute path',
      (text) => text.replace('entrypoint: [/usr/local/bin/redis-entrypoint]', 'entrypoint: [redis-server]'),
      'entrypoint:',
      /absolute path/,
    ],
    [
      'an input for an operating system that is not declared',
      (text) =>
        text.replace(
          '- purl: pkg:deb/debian/redis-tools',
          '- purl: pkg:deb/debian/redis-tools\n    operating_systems: [debian-11]',
        ),
      'pkg:deb/debian/redis-tools',
      /debian-11 is not in operating_systems/,
    ],
    [
      'a missing icon',
      (text) => text.replace('icon: icon.svg', 'icon: logo.svg'),
      'icon: icon.svg',
      /^logo\.svg does not exist$/,
    ],
    ['a foreign icon', (text) => text.replace('icon: icon.svg', 'icon: ../nginx/icon.svg'), 'icon:', /an SVG file/],
    [
      'a parent that is not in the library',
      (text) => text.replace('icon: icon.svg', 'icon: icon.svg\nparent: valkey'),
      'icon: icon.svg',
      /^parent valkey is not in the library$/,
    ],
    [
      'itself as its parent',
      (text) => text.replace('icon: icon.svg', 'icon: icon.svg\nparent: redis'),
      'icon: icon.svg',
      /^parent must be another product$/,
    ],
    [
      'a repeated license',
      (text) => text.replace('key: AGPL-3.0-only', 'key: BSD-3-Clause'),
      'key: AGPL-3.0-only',
      /^BSD-3-Clause occurs twice$/,
    ],
    [
      'a license text outside of the image',
      (text) => text.replace('path: usr/share', 'path: ../usr/share'),
      'path: usr/share',
      /licenses\[0\]\.path must be a path from the root/,
    ],
  ])('with %s is rejected', async (_, change, part, reason) => {
    const violations = await violationsOf(await library(change));
    expect(violations.map((one) => one.reason).join('\n')).toMatch(reason);
    const found = violations.find((one) => reason.test(one.reason));
    expect(found?.file).toMatch(/redis\/recipe\.yaml$/);
    if (part !== '') expect(Math.abs((found?.line ?? 0) - lineOf(source, part))).toBeLessThanOrEqual(1);
  });

  test('with one fault has one violation', async () => {
    expect(await onlyViolation((text) => text.replace('main: true', 'main: yes'))).toMatchObject({
      reason: 'inputs[0].main must be true or false',
      line: lineOf(source, 'main: true'),
    });
  });

  test('without a main input has a violation for each operating system', async () => {
    const violations = await violationsOf(await library((text) => text.replace('\n    main: true', '')));
    expect(violations.map(({ reason }) => reason)).toEqual([
      'debian-12 must have exactly one main input, not 0',
      'debian-13 must have exactly one main input, not 0',
    ]);
  });

  test('with a repeated key or broken YAML is rejected with the line', async () => {
    const twice = await violationsOf(await library((text) => `${text}category: Cache\n`));
    expect(twice[0]).toMatchObject({ line: source.split('\n').length, reason: 'the key "category" occurs twice' });
    const broken = await violationsOf(await library((text) => text.replace('volumes: [/data]', 'volumes: [/data')));
    expect(broken[0]?.line).toBeGreaterThanOrEqual(lineOf(source, 'volumes: ['));
  });

  test('with a tag, or above the limits of YAML, is rejected', async () => {
    const tagged = await library((text) => text.replace('name: Redis\n', 'name: !!str Redis\n'));
    expect((await violationsOf(tagged))[0]?.reason).toMatch(/^tags .* are not supported$/);
    const deep = await library((text) => text.replace('name: Redis\n', `name: ${'['.repeat(20)}${']'.repeat(20)}\n`));
    expect((await violationsOf(deep))[0]?.reason).toBe('is nested too deeply');
    const bomb =
      'a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n';
    const large = `${bomb}d: [${'*c,'.repeat(20)}]\n`;
    expect((await violationsOf(await library((text) => text + large)))[0]?.reason).toMatch(/aliases expanded/);
  });

  test('with an alias for a repeated value is accepted', async () => {
    const directory = await library((text) =>
      text
        .replace('name: Redis\n', 'name: &n Redis\n')
        .replace('long_display_name: Redis packaged by Larder', 'long_display_name: *n'),
    );
    expect((await loadRecipes(directory))[0]).toMatchObject({ name: 'Redis', long_display_name: 'Redis' });
  });

  test('is rejected with the violations of all other recipes', async () => {
    const directory = await library((text) =>
      text.replace('format: 1', 'format: 2').replace('category: Database', 'category: 7'),
    );
    await mkdir(join(directory, 'empty'));
    await cp(join(PRODUCTS, 'nginx'), join(directory, 'other'), { recursive: true });
    const violations = await violationsOf(directory);
    expect(violations.map(({ reason }) => reason)).toEqual([
      'is missing',
      "key must be the folder's name, other",
      'format must be 1',
      'category must be a text: write it in quotes',
    ]);
  });

  test('with unused files, links or large files is rejected', async () => {
    const directory = await library((text) => text.replace('name: Redis\n', 'name: redis\n'));
    const files = join(directory, 'redis', 'files');
    await writeFile(join(files, 'left-over'), 'x');
    await symlink('/etc/passwd', join(files, 'secrets'));
    await writeFile(join(files, 'huge'), Buffer.alloc(1024 * 1024 + 1));
    expect((await violationsOf(directory)).map(({ reason }) => reason)).toEqual([
      'files/huge has more than 1048576 bytes',
      'files/secrets is not a regular file',
      'files/left-over is not used',
    ]);
  });

  test.each([
    ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><script>1</script></svg>', 'must not contain a script'],
    [
      '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path onload="1"/></svg>',
      'must not contain an event handler',
    ],
    [
      '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><use href="#x"/></svg>',
      'must not contain a reference',
    ],
    ['<svg viewBox="0 0 1 1"><style>*{fill:url(https://a.example)}</style></svg>', 'must not contain an address'],
    ['<!DOCTYPE svg><svg viewBox="0 0 1 1"/>', 'must be an SVG with a viewBox'],
    ['<svg/>', 'must be an SVG with a viewBox'],
    [`<svg viewBox="0 0 1 1">${' '.repeat(40_000)}</svg>`, 'has more than 32768 bytes'],
  ])('with the icon %.60s is rejected', async (picture, reason) => {
    const directory = await library((text) => text.replace('name: Redis\n', 'name: redis\n'));
    await writeFile(join(directory, 'redis', 'icon.svg'), picture);
    const line = lineOf(source, 'icon: icon.svg');
    expect(await violationsOf(directory)).toMatchObject([{ line, reason: `icon.svg ${reason}` }]);
  });

  test('that is not text or is too long is not parsed', async () => {
    const directory = await library((text) => `${text}\n`);
    const file = join(directory, 'redis', 'recipe.yaml');
    await writeFile(file, Buffer.from([0xff, 0xfe, 0x00]));
    expect((await violationsOf(directory))[0]?.reason).toBe('is not UTF-8');
    await writeFile(file, '#'.repeat(300_000));
    expect((await violationsOf(directory))[0]?.reason).toMatch(/more than 262144 bytes/);
    await writeFile(file, '');
    expect((await violationsOf(directory))[0]?.reason).toMatch(/must be a mapping/);
  });
});
