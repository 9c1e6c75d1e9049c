// Templates read no key that values.yaml does not document. helm renders each chart with additional keys in every documented
// map. The keys are all names that the chart's templates contain. The rendering must not change.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { assembleChart, chartKeys, readChartFile } from './assembled-chart.ts';
import { type ChartValue, readChartValues } from './chart-values.ts';
import { HELMS, renderText, withoutRandom } from './helm.ts';

const [helm] = HELMS;
const FOLDERS = ['values', 'values-for-effect'];
/**
 * The time limit. There are two renderings for each set of values. After a failure, there are about thirty more for each key
 * that is read.
 */
const RENDERINGS_MS_MAX = 300_000;
/** Maps that charts copy into Kubernetes' objects with all their keys. */
const COPIED = /^(?:(?:pod|container)?[sS]ecurityContext|(?:liveness|readiness|startup)Probe|updateStrategy)$/;
/** A template action, and the names that it may read. These are fields, and texts in calls of `get`, `pick` or `list`. */
const ACTION = /\{\{.*?\}\}/gs;
const NAME = /\.([A-Za-z]\w*)|"([A-Za-z]\w*)"/g;

/** Returns the names in the actions of all templates of a folder. */
async function namesIn(folder: string): Promise<string[]> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const texts = await Promise.all(
    files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), 'utf8')),
  );
  const actions = texts.flatMap((text) => text.match(ACTION) ?? []).join('\n');
  return [...new Set([...actions.matchAll(NAME)].map(([, field, text]) => field ?? text ?? ''))];
}

/** Returns the paths of all names that a documented map could have but does not document. */
function undocumented(values: readonly ChartValue[], names: readonly string[], path: string[] = []): string[][] {
  const maps = values.filter(({ name, children }) => children.length > 0 && !COPIED.test(name));
  const own = names.filter((name) => values.every((value) => value.name !== name)).map((name) => [...path, name]);
  return [...own, ...maps.flatMap((map) => undocumented(map.children, names, [...path, map.name]))];
}

type Values = { [name: string]: string | Values };

/** Returns values in which each path has a text. */
function valuesWith(paths: readonly string[][]): Values {
  const values: Values = {};
  for (const path of paths) {
    let map = values;
    for (const name of path.slice(0, -1)) {
      map[name] ??= {};
      map = map[name] as Values;
    }
    map[path.at(-1) ?? ''] = path.join('.');
  }
  return values;
}

test.skipIf(helm === undefined).each(await chartKeys())(
  'the chart %s reads only documented keys (needs helm)',
  async (name) => {
    await using chart = await assembleChart(name);
    const directory = await mkdtemp(join(tmpdir(), 'larder-undocumented-'));
    const file = join(directory, 'values.json');
    const render = async (...files: string[]) =>
      withoutRandom(await renderText(helm?.path ?? '', chart.path, ...files.flatMap((one) => ['-f', one])));
    const documented = readChartValues(await readChartFile(name, 'values.yaml')).flatMap(({ values }) => values);
    const names = [...(await namesIn(join(chart.path, 'templates'))), ...(await namesIn(join(chart.path, 'charts')))];
    const paths = undocumented(documented, [...new Set(names)]);
    expect(paths.length).toBeGreaterThan(1000);

    /** Returns the paths that change the rendering of a set of values. An error is a change. */
    async function readOf(set: string, before: string, some: string[][]): Promise<string[]> {
      await writeFile(file, JSON.stringify(valuesWith(some)));
      const after = await render(set, file).catch(String);
      if (after === before) return [];
      if (some.length === 1) return [some[0]?.join('.') ?? ''];
      const half = Math.ceil(some.length / 2);
      const first = await readOf(set, before, some.slice(0, half));
      return [...first, ...(await readOf(set, before, some.slice(half)))];
    }

    const read = new Set<string>();
    for (const folder of FOLDERS.map((one) => join(import.meta.dirname, one, name))) {
      for (const set of (await readdir(folder)).map((one) => join(folder, one))) {
        const left = paths.filter((path) => !read.has(path.join('.')));
        for (const key of await readOf(set, await render(set), left)) read.add(key);
      }
    }
    expect([...read].sort()).toEqual([]);
    await rm(directory, { recursive: true });
  },
  RENDERINGS_MS_MAX,
);
