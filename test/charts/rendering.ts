// The charts of products/ with helm 3 and 4: lint, renderings of sets of values, schemas of two Kubernetes versions, and
// rules for objects. golden/ has the expected renderings, which `vitest -u` writes.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { checkProbes, checkResources } from '../../src/packaging/chart/check-containers.ts';
import { checkNames } from '../../src/packaging/chart/check-names.ts';
import { checkPodSecurity } from '../../src/packaging/chart/check-pod-security.ts';
import { FOREIGN_KINDS, KUBERNETES_VERSIONS } from '../../src/packaging/chart/kubernetes-kinds.ts';
import { parseRendering, violationLine } from '../../src/packaging/chart/rendered-objects.ts';
import { KUBECONFORM, SCHEMAS } from '../clients.ts';
import { type AssembledChart, assembleChart } from './assembled-chart.ts';
import { HELMS, parseObjects, renderChart, renderText, runHelm, runWith } from './helm.ts';
import { type KubernetesObject, ownFaults } from './object-rules.ts';
import { listValueFiles, type ValueFile } from './value-sets.ts';

const [helm] = HELMS;
/** A word of at least this length in the file of a secret counts as secret. Shorter words may be syntax of the file. */
const SECRET_CHARACTERS_MIN = 16;
/** The rules that apply to every chart. */
const CHECKS = [checkPodSecurity, checkResources, checkProbes, checkNames];

/** Replaces the values of secrets that differ between two renderings, because helm made them at random. */
function withoutRandom(objects: KubernetesObject[], others: KubernetesObject[]): KubernetesObject[] {
  return objects.map((object, at) => {
    if (object.kind !== 'Secret' || object.data === undefined) return object;
    const other = others[at]?.data ?? {};
    const entries = Object.entries(object.data).map(([key, value]) => [key, other[key] === value ? value : 'random']);
    return { ...object, data: Object.fromEntries(entries) };
  });
}

/** Tests the renderings of one chart. Each chart has a file in rendering/, because one chart takes up to half a minute. */
export function testRendering(key: string): void {
  describe.skipIf(helm === undefined)(`the chart ${key} (needs helm)`, async () => {
    const sets = await listValueFiles(key, 'values');
    let chart: AssembledChart;
    beforeAll(async () => {
      chart = await assembleChart(key);
    });
    afterAll(() => chart?.[Symbol.asyncDispose]());
    const render = (path: string, set: ValueFile, ...args: string[]) =>
      renderChart(path, chart.path, '--values', set.path, ...args);

    test('has the five sets of values', () => {
      expect(sets.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['defaults', 'everything', 'external-secrets', 'minimal', 'openshift']),
      );
    });

    describe.each(HELMS)('$name', ({ path }) => {
      test('lints it', async () => {
        await expect(runHelm(path, 'lint', '--strict', chart.path)).resolves.toContain('0 chart(s) failed');
      });

      test.each(sets)('renders $name as expected', async (set) => {
        const objects = withoutRandom(await render(path, set), await render(path, set));
        const golden = join(import.meta.dirname, 'golden', key, `${set.name}.yaml`);
        await expect(
          objects.map((object) => `---\n${stringify(object, { lineWidth: 0 })}`).join(''),
        ).toMatchFileSnapshot(golden);
      });
    });

    describe.each(sets)('$name', (set) => {
      test('passes the rules for every chart and our own', async () => {
        const text = await renderText(helm?.path ?? '', chart.path, '--values', set.path);
        const { objects, violations } = parseRendering(text);
        const broken = [...violations, ...CHECKS.flatMap((check) => check(objects))].map(violationLine);
        const own = parseObjects(text).flatMap((object) =>
          ownFaults(object).map((fault) => `${object.kind} ${object.metadata.name}: ${fault}`),
        );
        expect([...broken, ...own]).toEqual([]);
      });

      test('has secrets only in objects of the kind Secret', async () => {
        const objects = await render(helm?.path ?? '', set);
        const open = JSON.stringify(objects.filter(({ kind }) => kind !== 'Secret'));
        // Omits service bindings, because these Secrets also contain host and port, which are not secret.
        const secrets = objects.filter(
          ({ kind, type }) => kind === 'Secret' && !`${type}`.startsWith('servicebinding'),
        );
        const encoded = secrets.flatMap(({ data }) => Object.values(data ?? {}));
        const written = secrets.flatMap(({ stringData }) => Object.values(stringData ?? {}));
        const words = written
          .flatMap((text) => text.split(/\s+/))
          .filter((word) => word.length >= SECRET_CHARACTERS_MIN);
        const decoded = encoded.map((value) => Buffer.from(value, 'base64').toString());
        for (const value of [...encoded, ...decoded, ...written, ...words]) {
          expect(open).not.toContain(JSON.stringify(value).slice(1, -1));
        }
      });

      test.skipIf(KUBECONFORM === undefined || SCHEMAS === undefined).each(KUBERNETES_VERSIONS)(
        'is valid for Kubernetes %s (needs kubeconform and schemas)',
        async (version) => {
          const objects = await render(helm?.path ?? '', set, '--kube-version', version);
          const known = objects.filter(({ apiVersion, kind }) => !FOREIGN_KINDS.includes(`${apiVersion} ${kind}`));
          const input = known.map((object) => `---\n${JSON.stringify(object)}\n`).join('');
          const args = ['-strict', '-summary', '-kubernetes-version', version, '-schema-location', SCHEMAS ?? ''];
          const { code, output } = await runWith(KUBECONFORM ?? '', args, input);
          expect(code, output).toBe(0);
          expect(output).toContain(`Valid: ${known.length}, Invalid: 0, Errors: 0, Skipped: 0`);
        },
      );
    });
  });
}
