// Reads the Helm chart of a product (`products/<key>/chart/`) and the library charts on which it depends. Library charts are
// in the folder next to `products/`.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMap } from 'yaml';
import { parseChartDocument } from '../helm/chart-document.ts';
import { ChartError } from '../helm/chart-error.ts';
import { readChartYaml, versionSeries } from '../helm/chart-yaml.ts';
import { editValues, findImages, type ValuesImage } from '../helm/values-images.ts';
import type { ChartFile } from '../plan/chart-plan.ts';
import type { RecipeChart } from '../plan/recipe.ts';
import { readLibraryFiles } from './library-files.ts';
import type { RecipeDocument } from './recipe-schema.ts';

type Violation = { file: string; line: number; reason: string };

/** `chart` is absent if the product has no chart, or if the chart has violations. */
type LoadedChart = { chart?: RecipeChart; violations: Violation[] };

const FOLDER = 'chart';
/**
 * Files in the folder that do not belong to the chart. README.md is generated, and begins with the text of README.head.md.
 */
const SOURCES_ONLY = ['README.head.md'];
/** The folder of test values, as helm's chart-testing has it. It is not part of the chart. */
const TEST_FOLDER = 'ci/';
/** Limit of sets of test values: at each release, each of them is linted and rendered twice, which takes a second. */
const TEST_VALUES_MAX = 10;
/** Limit of a file with test values: the largest of the library has 10 kB. */
const TEST_VALUES_BYTES_MAX = 64 * 1024;
/** A name that a chart of the library must not use, because the engine writes the list of the chart's images to this file. */
const WRITTEN_LATER = 'Images.lock';
/** The repository of an image that Larder builds, `containers/<base image>/<product>`. */
const REPOSITORY = /^containers\/[^/]+\/(?<product>[a-z][a-z0-9-]*)$/;

/** A file with a set of test values. The name of the set is in reports. */
const TEST_VALUES = /^ci\/[a-z][a-z0-9-]*-values\.yaml$/;

/** Returns the path on disk of a file in the chart of a product. `directory` is the folder of the product library. */
export function chartFilePath(directory: string, key: string, path: string): string {
  // Files in charts/ belong to library charts, because a chart's own folder has no charts/.
  return path.startsWith('charts/') ? join(directory, '..', path) : join(directory, key, FOLDER, path);
}

/**
 * Reads the chart in a recipe's folder. If the recipe does not have the packaging type HELM_CHART, the chart is not read, so
 * it may be unfinished.
 */
export async function loadChart(
  directory: string,
  { key, packaging_types }: Pick<RecipeDocument, 'key' | 'packaging_types'>,
): Promise<LoadedChart> {
  if (!packaging_types.includes('HELM_CHART')) return { violations: [] };
  const file = join(directory, key, FOLDER);
  const { files, violations } = await readLibraryFiles(join(directory, key), FOLDER);
  const wrong = [...violations.map(({ reason }) => reason), ...checkNames([...files.keys()])];
  const reject = (reasons: string[]) => ({ violations: reasons.map((reason) => ({ file, line: 1, reason })) });
  if (wrong.length > 0) return reject(wrong);
  try {
    const metadata = readChartYaml(await readFile(join(file, 'Chart.yaml'), 'utf8'));
    if (metadata.name !== key) throw new ChartError('Chart.yaml', `must have the name of the product's folder, ${key}`);
    const libraries = await readLibraries(directory, metadata.dependencies ?? []);
    if (libraries.violations.length > 0) return reject(libraries.violations);
    const images = readImages(await readFile(join(file, 'values.yaml'), 'utf8'), key);
    const own = [...files].filter(([path]) => !SOURCES_ONLY.includes(path)).map(([path, held]) => ({ path, ...held }));
    const [test_values, packaged] = split(own, ({ path }) => path.startsWith(TEST_FOLDER));
    await checkTestValues(file, test_values);
    const chart = {
      ...{ name: key, series: versionSeries(metadata), files: sorted([...packaged, ...libraries.files]), images },
      ...(test_values.length > 0 && { test_values: sorted(test_values) }),
    };
    return { chart, violations: [] };
  } catch (error) {
    if (!(error instanceof ChartError)) throw error;
    return reject([error.message]);
  }
}

function checkNames(paths: string[]): string[] {
  const missing = ['Chart.yaml', 'values.yaml'].filter((path) => !paths.includes(path));
  return [
    ...missing.map((path) => `${path} is missing, and packaging_types has HELM_CHART`),
    ...paths.filter((path) => path.startsWith('charts/')).map((path) => `${path}: library charts are not copied here`),
    ...paths.filter((path) => path === WRITTEN_LATER).map((path) => `${path} is written for each release`),
  ];
}

/** Checks the names, the number and the size of files with test values, and that each is a mapping. Throws ChartError. */
async function checkTestValues(folder: string, files: readonly ChartFile[]): Promise<void> {
  if (files.length > TEST_VALUES_MAX) throw new ChartError(TEST_FOLDER, `has more than ${TEST_VALUES_MAX} files`);
  for (const { path, size } of files) {
    if (!TEST_VALUES.test(path)) throw new ChartError(path, `must be named ${TEST_FOLDER}<name>-values.yaml`);
    if (size > TEST_VALUES_BYTES_MAX) throw new ChartError(path, `has more than ${TEST_VALUES_BYTES_MAX} bytes`);
    const { contents } = parseChartDocument(path, await readFile(join(folder, path), 'utf8'));
    if (!isMap(contents)) throw new ChartError(path, 'must be a mapping');
  }
}

function split<T>(all: readonly T[], isFirst: (one: T) => boolean): [T[], T[]] {
  return [all.filter(isFirst), all.filter((one) => !isFirst(one))];
}

const LIBRARY_NAME = /^[a-z][a-z0-9-]*$/;

type Dependency = { name: string; repository?: string };

/** Reads the library charts on which a chart depends. */
async function readLibraries(
  directory: string,
  dependencies: readonly Dependency[],
): Promise<{ files: ChartFile[]; violations: string[] }> {
  const read = dependencies.map(async ({ name, repository }) => {
    if (!LIBRARY_NAME.test(name))
      return { files: [], violations: [`the dependency ${name} is not the name of a chart`] };
    if (repository) return { files: [], violations: [`the dependency ${name} must not have a repository`] };
    const folder = `charts/${name}`;
    const { files, violations } = await readLibraryFiles(join(directory, '..'), folder);
    if (!files.has('Chart.yaml')) return { files: [], violations: [`the dependency ${name} is not in charts/`] };
    return {
      files: [...files].map(([path, held]) => ({ path: `${folder}/${path}`, ...held })),
      violations: violations.map(({ reason }) => reason),
    };
  });
  const all = await Promise.all(read);
  return { files: all.flatMap(({ files }) => files), violations: all.flatMap(({ violations }) => violations) };
}

/**
 * Returns the images in values.yaml that products of the library build. An image without a repository belongs to no product.
 * Throws ChartError.
 */
function readImages(values: string, key: string): RecipeChart['images'] {
  const images = findImages(values).filter(({ repository }) => repository !== '');
  const found = images.map(({ place, repository }) => ({ place, product: productOf({ place, repository }) }));
  if (!found.some(({ product }) => product === key)) {
    throw new ChartError('values.yaml', `has no image with the repository containers/<base image>/${key}`);
  }
  // values.yaml must contain each key that a release changes.
  const places = found.flatMap(({ place }) => ['repository', 'tag', 'digest'].map((name) => [...place, name]));
  editValues(
    values,
    [['global', 'imageRegistry'], ...places].map((place) => ({ place, value: '' })),
  );
  return found;
}

function productOf({ place, repository }: ValuesImage): string {
  const product = REPOSITORY.exec(repository)?.groups?.['product'];
  if (product !== undefined) return product;
  const where = `${place.join('.')}.repository`;
  throw new ChartError(
    'values.yaml',
    `has another text at ${where} than containers/<base image>/<product>; leave it empty for an image that the library does not have`,
  );
}

function sorted(files: ChartFile[]): ChartFile[] {
  return files.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}
