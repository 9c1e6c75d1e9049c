// Slow test files run in turn. `npm test -- --rotate` (run.ts) skips a slow file unless it is the file's turn or the change
// affects what the file tests.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CLIENTS_FOLDER } from './clients.ts';

export type SlowFile = {
  file: string;
  /** How long the file takes on two processors without other work. */
  seconds: number;
  /** What the file tests, as beginnings of paths. The file runs when a path with such a beginning changes. */
  tests: readonly string[];
};

/** Each slow file runs at least once in this number of consecutive commits. */
export const TURNS = 3;

const SANDBOX = ['src/sandbox/', 'src/host/', 'test/containment/attempts.ts'];
const IMAGES = ['src/packaging/image/', 'src/engine/'];

/** The slow files of each product with a chart. */
const CHART_FILES = ['apache', 'haproxy', 'mariadb', 'memcached', 'nginx', 'postgresql', 'rabbitmq', 'redis'].flatMap(
  (key): SlowFile[] => [
    { file: `test/kubernetes/${key}.test.ts`, seconds: 60, tests: [`products/${key}/chart/`] },
    { file: `test/charts/effect/${key}.test.ts`, seconds: 50, tests: [`products/${key}/chart/`] },
    { file: `test/charts/rendering/${key}.test.ts`, seconds: 30, tests: [`products/${key}/chart/`, 'charts/common/'] },
  ],
);

export const SLOW_FILES: readonly SlowFile[] = [
  ...CHART_FILES,
  { file: 'test/e2e/main-job.test.ts', seconds: 130, tests: ['src/demo/', 'src/packaging/', 'src/jobs/'] },
  { file: 'test/containment/image-layers.test.ts', seconds: 130, tests: [...SANDBOX, 'src/oci/', 'src/tar/'] },
  { file: 'test/containment/service.test.ts', seconds: 125, tests: ['src/http/', 'src/bin/'] },
  { file: 'test/e2e/outside-registry.test.ts', seconds: 115, tests: ['src/oci/remote/', 'src/jobs/'] },
  { file: 'src/bin/failures.test.ts', seconds: 105, tests: ['src/bin/', 'src/db/', 'src/jobs/'] },
  { file: 'test/containment/found-sandbox.test.ts', seconds: 90, tests: SANDBOX },
  { file: 'src/bin/every-command.test.ts', seconds: 85, tests: ['src/cli/', 'src/bin/'] },
  { file: 'test/charts/postgresql-containers.test.ts', seconds: 80, tests: ['products/postgresql/'] },
  {
    file: 'test/charts/mariadb-containers.test.ts',
    seconds: 60,
    tests: ['products/mariadb/', 'products/mysqld-exporter/'],
  },
  { file: 'test/charts/rabbitmq-containers.test.ts', seconds: 75, tests: ['products/rabbitmq/'] },
  { file: 'src/db/embedded.test.ts', seconds: 65, tests: ['src/db/', 'src/host/'] },
  { file: 'src/jobs/distribute-pipeline.test.ts', seconds: 60, tests: ['src/jobs/', 'src/oci/', 'src/pipelines/'] },
  { file: 'src/packaging/packagings.test.ts', seconds: 55, tests: ['src/packaging/', 'src/engine/'] },
  { file: 'test/e2e/chart.test.ts', seconds: 55, tests: ['src/helm/', 'src/packaging/chart/', 'src/pipelines/'] },
  { file: 'test/e2e/mariadb-image.test.ts', seconds: 60, tests: ['products/mariadb/', ...IMAGES] },
  { file: 'test/e2e/postgresql-image.test.ts', seconds: 50, tests: ['products/postgresql/', ...IMAGES] },
  { file: 'test/e2e/rabbitmq-image.test.ts', seconds: 50, tests: ['products/rabbitmq/', ...IMAGES] },
  { file: 'src/db/queue-losses.test.ts', seconds: 45, tests: ['src/db/'] },
  { file: 'test/containment/escapes.test.ts', seconds: 40, tests: SANDBOX },
  { file: 'src/installation/operator-access.test.ts', seconds: 40, tests: ['src/installation/', 'src/identity/'] },
];

/** `due`: the files that run now, each with the reason. `left`: the files that wait for their turn. */
export type Rotation = { due: { file: string; why: 'turn' | 'change' }[]; left: string[] };

/**
 * Chooses the slow files for one commit. `commits` is the number of commits up to this commit. `changed` contains the paths
 * that changed since the last run. If `changed` is undefined, these paths are not known, and every file runs.
 */
export function chooseFiles(
  files: readonly SlowFile[],
  { commits, changed }: { commits: number; changed: readonly string[] | undefined },
): Rotation {
  const turns = shareTurns(files);
  const rotation: Rotation = { due: [], left: [] };
  for (const slow of files) {
    const isTouched = changed?.some((path) => [slow.file, ...slow.tests].some((start) => path.startsWith(start)));
    if (turns.get(slow.file) === commits % TURNS) rotation.due.push({ file: slow.file, why: 'turn' });
    else if (isTouched ?? true) rotation.due.push({ file: slow.file, why: 'change' });
    else rotation.left.push(slow.file);
  }
  return rotation;
}

/**
 * Gives each file a turn, so that all turns take about the same time. Assigns the longest files first, each to the turn that
 * is the shortest so far.
 */
function shareTurns(files: readonly SlowFile[]): Map<string, number> {
  const seconds = Array.from({ length: TURNS }, () => 0);
  const turns = new Map<string, number>();
  for (const slow of [...files].sort((a, b) => b.seconds - a.seconds)) {
    const turn = seconds.indexOf(Math.min(...seconds));
    seconds[turn] = (seconds[turn] ?? 0) + slow.seconds;
    turns.set(slow.file, turn);
  }
  return turns;
}

const ROOT = join(import.meta.dirname, '..');
/**
 * The file with the commit of the last run with `--rotate` in which all tests passed. Like the clients, it is outside the
 * checkout.
 */
const PASSED = join(CLIENTS_FOLDER, 'tests-passed');

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/**
 * Chooses the files for the commit of this checkout. A change is everything since the last run that passed. If that run is
 * not known, a change is everything in the last commit.
 */
export function rotationOfCheckout(): Rotation {
  const commits = Number(git('rev-list', '--count', 'HEAD'));
  return chooseFiles(SLOW_FILES, { commits, changed: changedPaths() });
}

/**
 * Returns the paths that changed. Returns undefined if the checkout has neither the commit of the last run nor the previous
 * commit.
 */
function changedPaths(): string[] | undefined {
  for (const since of [lastPassed(), 'HEAD~1']) {
    try {
      if (since !== undefined) return git('diff', '--name-only', '-z', since).split('\0');
    } catch {
      // The commit is not in this checkout. It may belong to another checkout, or this checkout has only the newest commits.
    }
  }
  return undefined;
}

function lastPassed(): string | undefined {
  try {
    return /^[0-9a-f]{40}$/.exec(readFileSync(PASSED, 'utf8').trim())?.[0];
  } catch {
    return undefined;
  }
}

export function recordPassed(): void {
  mkdirSync(dirname(PASSED), { recursive: true });
  writeFileSync(PASSED, `${git('rev-parse', 'HEAD')}\n`);
}

/** Returns lines that name the files that run, with the reason, and the files that wait for their turn. */
export function rotationLines({ due, left }: Rotation): string[] {
  const named = (why: 'turn' | 'change') => due.filter((one) => one.why === why).map(({ file }) => file);
  return [
    ['slow test files that have their turn', named('turn')] as const,
    ['slow test files that run because of a change', named('change')] as const,
    ['slow test files left out until their turn', left] as const,
  ].map(([title, files]) => `${title}: ${files.length === 0 ? 'none' : files.join(', ')}`);
}
