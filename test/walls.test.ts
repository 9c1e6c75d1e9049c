// The architecture as a test: which room may import which, and the few rules of shape that a linter has no word for.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const SOURCE = new URL('../src/', import.meta.url).pathname;

/** A room and the rooms it may know. What is missing here may import nothing and be imported by nobody. */
const WALLS: Record<string, readonly string[]> = {
  bin: [
    'cli',
    'client',
    'config',
    'content-check',
    'demo',
    'host',
    'keys',
    'log',
    'operator-access',
    'organizations',
    'process-messages',
    'serve',
    'start-error',
    'supervise',
    'work',
  ],
  serve: [
    'bootstrap',
    'catalog',
    'config',
    'http',
    'identity',
    'log',
    'oci',
    'process-messages',
    'registry',
    'resources',
    'secret-file',
    'start-error',
  ],
  work: ['bootstrap', 'build', 'catalog', 'config', 'db', 'engine', 'jobs', 'log', 'resources'],
  supervise: ['config', 'db', 'kept-process', 'process-messages', 'start-error'],
  'kept-process': ['process-messages'],
  'process-messages': [],
  demo: ['client', 'contract', 'egress', 'oci', 'tar'],
  bootstrap: ['catalog', 'db', 'identity', 'new-organization', 'recipes'],
  'new-organization': ['catalog', 'db', 'identity'],
  keys: ['db', 'identity', 'operator-database'],
  organizations: ['contract', 'db', 'identity', 'new-organization', 'operator-database'],
  'operator-access': ['contract', 'db', 'identity', 'operator-database', 'secret-file'],
  'operator-database': ['config', 'db', 'start-error'],
  'secret-file': [],
  version: [],
  config: ['nearest-word'],
  'nearest-word': [],
  log: [],
  'start-error': [],
  'content-folder': ['catalog', 'db', 'identity', 'oci', 'start-error'],
  'content-check': ['catalog', 'content-folder', 'db', 'oci', 'operator-database'],
  resources: ['config', 'content-folder', 'db', 'egress', 'identity', 'log', 'oci', 'start-error'],
  host: [],
  contract: [],
  client: ['contract'],
  cli: ['client', 'contract', 'customization', 'nearest-word', 'tar', 'version'],
  http: ['catalog', 'contract', 'customization', 'db', 'identity', 'new-organization', 'oci', 'version'],
  registry: ['contract', 'db', 'identity', 'oci'],
  jobs: [
    'attest',
    'build',
    'catalog',
    'config',
    'contract',
    'customization',
    'db',
    'debian',
    'engine',
    'identity',
    'notify',
    'oci',
    'packaging',
    'plan',
    'recipes',
    'registry',
    'resources',
  ],
  plan: ['contract'],
  catalog: ['contract', 'db', 'plan'],
  notify: ['contract', 'egress'],
  identity: ['contract', 'db', 'egress'],
  db: ['contract', 'egress', 'plan'],
  recipes: ['contract', 'debian', 'oci', 'plan'],
  customization: ['contract', 'plan', 'tar'],
  build: ['contract', 'customization', 'debian', 'host', 'oci', 'plan', 'tar'],
  packaging: ['attest', 'build', 'contract', 'customization', 'debian', 'oci', 'plan', 'recipes'],
  engine: ['build', 'contract', 'customization', 'oci', 'packaging', 'plan'],
  debian: [],
  egress: [],
  attest: ['contract', 'debian'],
  oci: ['contract', 'egress', 'tar'],
  tar: ['contract'],
};

type Import = { file: string; from: string; path: string; to: string };

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

function roomOf(path: string): string {
  const [first = ''] = relative(SOURCE, path).split('/');
  return first.replace(/\.ts$/, '');
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const written = /^(?:import|export)\s+[^'";]*?from\s+'(\.[^']+)'/gm;
  const dynamic = /\bimport\('(\.[^']+)'\)/g;
  return [...text.matchAll(written), ...text.matchAll(dynamic)].map((match) => ({
    file: relative(SOURCE, file),
    from: roomOf(file),
    path: relative(SOURCE, join(file, '..', match[1] ?? '')),
    to: roomOf(join(file, '..', match[1] ?? '')),
  }));
}

/** The first way from a file back to itself, for each file that has one. */
function cyclesIn(imports: readonly Import[]): string[] {
  const graph = Map.groupBy(imports, ({ file }) => file);
  return [...graph.keys()].flatMap((start) => wayBack(graph, start)?.join(' → ') ?? []);
}

function wayBack(graph: ReadonlyMap<string, readonly Import[]>, start: string): string[] | undefined {
  const ways = [[start]];
  const seen = new Set<string>();
  for (const way of ways) {
    for (const { path } of graph.get(way.at(-1) ?? '') ?? []) {
      if (path === start) return [...way, start];
      if (seen.has(path)) continue;
      seen.add(path);
      ways.push([...way, path]);
    }
  }
  return undefined;
}

const files = sourceFiles(SOURCE);
const productFiles = files.filter((file) => !file.endsWith('.test.ts'));

describe('walls', () => {
  test('each room imports only the rooms it may know', () => {
    const broken = productFiles
      .flatMap(importsOf)
      .filter(({ from, to }) => from !== to && !(WALLS[from] ?? []).includes(to))
      .map(({ file, to }) => `${file} imports ${to}`);
    expect(broken).toEqual([]);
  });

  test('no file imports itself by way of others, not even its types', () => {
    expect(cyclesIn(productFiles.flatMap(importsOf))).toEqual([]);
  });

  test('a cycle is found', () => {
    const to = (file: string, path: string) => ({ file, path, from: '', to: '' });
    expect(cyclesIn([to('a', 'b'), to('b', 'c'), to('c', 'b')])).toEqual(['b → c → b', 'c → b → c']);
  });

  test('each permission is used', () => {
    const used = new Set(productFiles.flatMap(importsOf).map(({ from, to }) => `${from} → ${to}`));
    const unused = Object.entries(WALLS)
      .flatMap(([from, rooms]) => rooms.map((to) => `${from} → ${to}`))
      .filter((permission) => !used.has(permission));
    expect(unused).toEqual([]);
  });

  test('code under src/ does not import vitest', () => {
    const suites = productFiles.filter((file) => /from 'vitest'/.test(readFileSync(file, 'utf8')));
    expect(suites.map((file) => relative(SOURCE, file))).toEqual([]);
  });

  test('jobs know no packaging type', () => {
    // What only images have, by the names that its plan, its artifact and its repositories give it.
    const OF_IMAGES =
      /\bmanifests\[|\.index\b|(?:artifact|root|plan)\.(?:config|layers|image)\b|containers\/|ImagePlan|'(?:CONTAINER_IMAGE|HELM_CHART|OVA)'|packaging\/(?:image|chart|appliance)\//;
    const broken = productFiles
      .filter((file) => relative(SOURCE, file).startsWith('jobs/'))
      .flatMap((file) => {
        const found = OF_IMAGES.exec(readFileSync(file, 'utf8'));
        return found === null ? [] : [`${relative(SOURCE, file)}: ${found[0]}`];
      });
    expect(broken).toEqual([]);
  });

  test('only config/config.ts reads the environment', () => {
    const readers = productFiles
      .filter((file) => /process\.env\b/.test(readFileSync(file, 'utf8')))
      .map((file) => relative(SOURCE, file))
      .filter((file) => file !== 'config/config.ts');
    expect(readers).toEqual([]);
  });

  test('routes write through the door, which judges conditions and replays', () => {
    const past = productFiles
      .filter((file) => relative(SOURCE, file).startsWith('http/routes/'))
      .filter((file) => /\binTransaction\b/.test(readFileSync(file, 'utf8')))
      .map((file) => `${relative(SOURCE, file)}: use context.write`);
    expect(past).toEqual([]);
  });

  test('times in rows come from the database', () => {
    const JUDGED = /^(catalog|identity|notify|db\/(tables|queue)\b)/;
    const SIGNED = 'identity/access-tokens.ts'; // tokens are signed and verified by the process's clock, with a tolerance
    const own = productFiles
      .filter((file) => JUDGED.test(relative(SOURCE, file)) && relative(SOURCE, file) !== SIGNED)
      .filter((file) => /\bnew Date\(\)|\bDate\.now\b/.test(readFileSync(file, 'utf8')))
      .map((file) => `${relative(SOURCE, file)}: use now of db/clock.ts`);
    expect(own).toEqual([]);
  });

  test('every file opens by saying what it is for', () => {
    const silent = files
      .filter((file) => !/^(#!.*\n)?\/\/ \S/.test(readFileSync(file, 'utf8')))
      .map((file) => relative(SOURCE, file));
    expect(silent).toEqual([]);
  });

  test('no barrels and no drawers for anything', () => {
    const banned = files
      .map((file) => relative(SOURCE, file))
      .filter((file) => /(^|\/)(index\.ts|utils?|helpers?|common|shared|misc)(\/|\.ts$|$)/.test(file));
    expect(banned).toEqual([]);
  });

  test('no file outgrows its reader', () => {
    const LINES_MAX = 400; // past this a file holds two things
    const long = files
      .map((file) => ({ file: relative(SOURCE, file), lines: readFileSync(file, 'utf8').split('\n').length }))
      .filter(({ lines }) => lines > LINES_MAX);
    expect(long).toEqual([]);
  });
});
