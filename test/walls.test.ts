// The architecture as a test: which folder may import which, and rules that the linter does not have.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const SOURCE = new URL('../src/', import.meta.url).pathname;

/**
 * Each folder (or file at the top of src/) with the folders that it may import. A folder that is missing here can import
 * nothing and cannot be imported.
 */
const WALLS: Record<string, readonly string[]> = {
  bin: ['cli', 'client', 'config', 'demo', 'host', 'installation', 'log', 'process', 'start-error'],
  process: [
    'catalog',
    'config',
    'content',
    'db',
    'engine',
    'helm',
    'http',
    'identity',
    'installation',
    'jobs',
    'log',
    'packaging/image',
    'registry',
    'resources',
    'sandbox',
    'start-error',
  ],
  installation: ['catalog', 'cli', 'config', 'content', 'contract', 'db', 'identity', 'oci', 'recipes', 'start-error'],
  config: ['nearest-word'],
  log: [],
  resources: ['config', 'content', 'db', 'egress', 'identity', 'installation', 'log', 'start-error'],
  'start-error': [],
  'nearest-word': [],
  version: [],
  yaml: ['nearest-word'],
  contract: [],
  client: ['contract'],
  cli: ['client', 'contract', 'customization', 'nearest-word', 'tar', 'version'],
  demo: ['client', 'content', 'contract', 'egress', 'oci', 'oci/remote', 'tar'],
  http: [
    'catalog',
    'content',
    'contract',
    'customization',
    'db',
    'identity',
    'installation',
    'recipes',
    'version',
    'yaml',
  ],
  registry: ['content', 'contract', 'db', 'identity', 'oci'],
  catalog: ['content', 'contract', 'db', 'notify', 'pipelines', 'plan'],
  pipelines: ['content', 'contract', 'db', 'notify', 'plan'],
  jobs: [
    'catalog',
    'config',
    'content',
    'contract',
    'customization',
    'db',
    'debian',
    'engine',
    'evidence',
    'helm',
    'identity',
    'notify',
    'oci',
    'oci/remote',
    'packaging',
    'packaging/image',
    'pipelines',
    'plan',
    'recipes',
    'registry',
    'resources',
    'sandbox',
    'sources',
  ],
  engine: ['content', 'contract', 'customization', 'oci', 'packaging', 'packaging/image', 'plan', 'sandbox'],
  packaging: [
    'content',
    'contract',
    'customization',
    'debian',
    'packaging/chart',
    'packaging/image',
    'plan',
    'sandbox',
  ],
  'packaging/chart': [
    'content',
    'contract',
    'customization',
    'helm',
    'nearest-word',
    'oci',
    'packaging',
    'plan',
    'sandbox',
    'tar',
  ],
  'packaging/image': [
    'content',
    'contract',
    'customization',
    'debian',
    'evidence',
    'oci',
    'packaging',
    'plan',
    'recipes',
    'sandbox',
    'sources',
    'tar',
  ],
  evidence: ['contract', 'debian'],
  sandbox: ['content', 'contract', 'host'],
  plan: ['contract'],
  recipes: ['content', 'contract', 'debian', 'helm', 'oci', 'plan', 'yaml'],
  sources: ['debian', 'plan', 'recipes'],
  debian: ['content', 'contract', 'nearest-word', 'plan'],
  customization: ['contract', 'helm', 'plan', 'tar', 'yaml'],
  notify: ['contract', 'db', 'egress'],
  identity: ['contract', 'db', 'egress'],
  db: ['contract', 'egress', 'plan'],
  content: ['contract', 'db'],
  oci: ['content', 'contract', 'tar'],
  'oci/remote': ['content', 'contract', 'egress', 'oci'],
  egress: [],
  host: [],
  helm: ['sandbox', 'tar'],
  tar: ['contract'],
};

/** Names that belong to one packaging type: names in its plan, its artifact and its repositories. */
const TYPED = new RegExp(
  [
    String.raw`\bmanifests(?:\?\.)?\[`,
    String.raw`\.index\b`,
    String.raw`(?:artifact|root|plan)\??\.(?:config|layers|image)\b`,
    String.raw`\{[^;=]*\b(?:index|config|layers)\b[^;=]*\}\s*=\s*(?:\w+\()?(?:artifact|root|plan)\b`,
    String.raw`\b(?:containers|charts|appliances)/`,
    "ImagePlan|'(?:CONTAINER_IMAGE|HELM_CHART|OVA)'",
    'packaging/(?:image|chart|appliance)/',
  ].join('|'),
);

type Import = { file: string; from: string; path: string; to: string };

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Folders inside another folder that have their own permissions. */
const INNER = ['oci/remote', 'packaging/chart', 'packaging/image'];

function folderOf(path: string): string {
  const inside = relative(SOURCE, path);
  const [first = ''] = inside.split('/');
  return INNER.find((folder) => inside.startsWith(`${folder}/`)) ?? first.replace(/\.ts$/, '');
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const written = /^(?:import|export)\s+[^'";]*?from\s+'(\.[^']+)'/gm;
  const dynamic = /\bimport\('(\.[^']+)'\)/g;
  return [...text.matchAll(written), ...text.matchAll(dynamic)].map((match) => ({
    file: relative(SOURCE, file),
    from: folderOf(file),
    path: relative(SOURCE, join(file, '..', match[1] ?? '')),
    to: folderOf(join(file, '..', match[1] ?? '')),
  }));
}

/** Returns the first import cycle of each file that is in a cycle. */
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
  test('ARCHITECTURE.md orders the folders: each imports only folders of the lines below', () => {
    const text = readFileSync(join(SOURCE, '../ARCHITECTURE.md'), 'utf8');
    const block = text.split('```text\n').find((part) => part.startsWith('bin\n')) ?? '';
    const lines = block.split('```')[0]?.trim().split('\n') ?? [];
    const level = new Map(lines.flatMap((line, number) => line.split(', ').map((folder) => [folder, number] as const)));
    expect([...level.keys()].sort()).toEqual(Object.keys(WALLS).sort());
    const upward = Object.entries(WALLS).flatMap(([from, permitted]) =>
      permitted.filter((to) => (level.get(to) ?? 0) <= (level.get(from) ?? 0)).map((to) => `${from} → ${to}`),
    );
    // The table of packaging types and its entries belong together, because an entry imports the type of the table.
    const entries = ['packaging/chart', 'packaging/image'];
    expect(upward.sort()).toEqual(entries.flatMap((one) => [`packaging → ${one}`, `${one} → packaging`]).sort());
  });

  test('each folder imports only what it may import', () => {
    const broken = productFiles
      .flatMap(importsOf)
      .filter(({ from, to }) => from !== to && !(WALLS[from] ?? []).includes(to))
      .map(({ file, to }) => `${file} imports ${to}`);
    expect(broken).toEqual([]);
  });

  test('there is no import cycle, not even of types', () => {
    expect(cyclesIn(productFiles.flatMap(importsOf))).toEqual([]);
  });

  test('a cycle is found', () => {
    const to = (file: string, path: string) => ({ file, path, from: '', to: '' });
    expect(cyclesIn([to('a', 'b'), to('b', 'c'), to('c', 'b')])).toEqual(['b → c → b', 'c → b → c']);
  });

  test('each permission is used', () => {
    const used = new Set(productFiles.flatMap(importsOf).map(({ from, to }) => `${from} → ${to}`));
    const unused = Object.entries(WALLS)
      .flatMap(([from, folders]) => folders.map((to) => `${from} → ${to}`))
      .filter((permission) => !used.has(permission));
    expect(unused).toEqual([]);
  });

  test('code under src/ does not import vitest', () => {
    const suites = productFiles.filter((file) => /from 'vitest'/.test(readFileSync(file, 'utf8')));
    expect(suites.map((file) => relative(SOURCE, file))).toEqual([]);
  });

  test('jobs name no packaging type', () => {
    // Base images are container images. They are read and built in the same folder as the images on them.
    const OF_BASE_IMAGES = ['jobs/build-base-image.ts', 'jobs/follow-base-image.ts'];
    const broken = productFiles
      .filter((file) => relative(SOURCE, file).startsWith('jobs/') && !OF_BASE_IMAGES.includes(relative(SOURCE, file)))
      .flatMap((file) => {
        const found = TYPED.exec(readFileSync(file, 'utf8'));
        return found === null ? [] : [`${relative(SOURCE, file)}: ${found[0]}`];
      });
    expect(broken).toEqual([]);
  });

  test.each([
    'state.artifact?.index',
    'artifact.config.digest',
    'root?.layers',
    'const { index } = artifact;',
    'const { parts, config: { digest } } = soleRoot(artifact);',
    'index.manifests[0]',
    'image.manifests?.[0]',
    'const path = `containers/debian-12`',
    "packaging_type === 'OVA'",
    "import { build } from '../packaging/image/build-image.ts';",
  ])('code of a packaging type is found in a job: %s', (code) => {
    expect(code).toMatch(TYPED);
  });

  test.each([
    'rootFor(artifact, id).descriptor',
    'const { parts } = root;',
    'plan.packages',
    'for (const [index, one] of list)',
  ])('code of all packaging types is let pass: %s', (code) => {
    expect(code).not.toMatch(TYPED);
  });

  test('only config/config.ts reads the environment', () => {
    const readers = productFiles
      .filter((file) => /process\.env\b/.test(readFileSync(file, 'utf8')))
      .map((file) => relative(SOURCE, file))
      .filter((file) => file !== 'config/config.ts');
    expect(readers).toEqual([]);
  });

  test('routes write through context.write, which checks If-Match and Idempotency-Key', () => {
    const past = productFiles
      .filter((file) => relative(SOURCE, file).startsWith('http/routes/'))
      .filter((file) => /\binTransaction\b/.test(readFileSync(file, 'utf8')))
      .map((file) => `${relative(SOURCE, file)}: use context.write`);
    expect(past).toEqual([]);
  });

  test('times in rows come from the database', () => {
    const CHECKED = /^(catalog|pipelines|identity|notify|db\/(tables|queue)\b)/;
    // Tokens are signed and verified by the clock of the process, with a tolerance.
    const SIGNED = 'identity/access-tokens.ts';
    const own = productFiles
      .filter((file) => CHECKED.test(relative(SOURCE, file)) && relative(SOURCE, file) !== SIGNED)
      .filter((file) => /\bnew Date\(\)|\bDate\.now\b/.test(readFileSync(file, 'utf8')))
      .map((file) => `${relative(SOURCE, file)}: use now of db/clock.ts`);
    expect(own).toEqual([]);
  });

  test('every file begins with a comment that describes it', () => {
    const silent = files
      .filter((file) => !/^(#!.*\n)?\/\/ \S/.test(readFileSync(file, 'utf8')))
      .map((file) => relative(SOURCE, file));
    expect(silent).toEqual([]);
  });

  test('no file or folder is called index, utils, helpers, common, shared or misc', () => {
    const banned = files
      .map((file) => relative(SOURCE, file))
      .filter((file) => /(^|\/)(index\.ts|utils?|helpers?|common|shared|misc)(\/|\.ts$|$)/.test(file));
    expect(banned).toEqual([]);
  });

  test('no file has more than 400 lines', () => {
    // A longer file probably does two different things.
    const LINES_MAX = 400;
    const long = files
      .map((file) => ({ file: relative(SOURCE, file), lines: readFileSync(file, 'utf8').split('\n').length }))
      .filter(({ lines }) => lines > LINES_MAX);
    expect(long).toEqual([]);
  });
});
