// Plans that are made from a recipe. All inputs are pinned, the branch is inserted, and equal values give the same digest.
import { beforeAll, describe, expect, test } from 'vitest';
import { canonicalJson } from '../plan/canonical-json.ts';
import type { BasePin, PackagePin } from '../plan/pin.ts';
import type { Recipe } from '../plan/recipe.ts';
import { PlanError, planDigest, planFromRecipe, withCustomizations } from './plan.ts';
import { loadRecipes } from './recipe.ts';

const digest = `sha256:${'a'.repeat(64)}` as const;
const descriptor = { mediaType: 'x', digest, size: 1 };
const base: BasePin = {
  name: 'base/debian:12',
  digest,
  manifest: descriptor,
  config: descriptor,
  layers: [],
  listing: digest,
  created_at: '2026-11-01T00:00:00.000Z',
};
const pin: PackagePin = {
  purl: 'pkg:deb/debian/postgresql-15@15.20-0',
  name: 'postgresql-15',
  version: '15.20-0+deb12u1',
  architecture: 'amd64',
  digest,
  size: 1,
};
const pins = {
  version: '15.20',
  operating_system: 'debian-12',
  platform: { os: 'linux', architecture: 'amd64' },
  base,
  packages: [pin],
  customizations: [],
  epoch: 1_790_000_000,
};
let recipes: Map<string, Recipe>;

beforeAll(async () => {
  const loaded = await loadRecipes(new URL('../../products/', import.meta.url).pathname);
  recipes = new Map(loaded.map((recipe) => [recipe.key, recipe]));
});

function recipe(key: string): Recipe {
  const found = recipes.get(key);
  if (!found) throw new Error(`no recipe ${key}`);
  return found;
}

describe('a plan', () => {
  test('has the branch in the place of the placeholder', () => {
    const plan = planFromRecipe(recipe('postgresql'), pins);
    expect(plan.product).toMatchObject({ key: 'postgresql', branch: '15', version: '15.20' });
    expect(plan.image.environment['PATH']).toMatch(/^\/usr\/lib\/postgresql\/15\/bin:/);
    expect(JSON.stringify(plan)).not.toContain('{branch}');
    expect(plan.packages).toEqual([pin]);
    expect(plan.test_environment).toHaveProperty('POSTGRESQL_PASSWORD');
    expect(plan.image.environment).not.toHaveProperty('POSTGRESQL_PASSWORD');
    expect(plan.files.every((file) => !('source' in file) && file.digest.startsWith('sha256:'))).toBe(true);
    expect(plan.folders).toContainEqual({ path: '/data', mode: 0o775, uid: 1001, gid: 0 });
  });

  test('has the same digest in any order of its keys', () => {
    const plan = planFromRecipe(recipe('postgresql'), pins);
    const reversed = Object.fromEntries(Object.entries(plan).reverse()) as typeof plan;
    expect(planDigest(reversed)).toBe(planDigest(plan));
    expect(planDigest(JSON.parse(canonicalJson(plan)))).toBe(planDigest(plan));
    expect(planDigest({ ...plan, epoch: plan.epoch + 1 })).not.toBe(planDigest(plan));
    expect(planDigest(planFromRecipe(recipe('postgresql'), { ...pins, packages: [] }))).not.toBe(planDigest(plan));
  });

  test('keeps every pin when only a customization changes', () => {
    const plan = planFromRecipe(recipe('postgresql'), pins);
    const customization = { id: 'x', version: 2, digest, epoch: 1, packages: [] };
    const next = withCustomizations(plan, [customization]);
    expect({ ...next, customizations: [] }).toEqual(plan);
    expect(next.customizations).toEqual([customization]);
  });

  test('cannot be made for a version without a branch or an unsupported operating system', () => {
    expect(() => planFromRecipe(recipe('redis'), { ...pins, version: '7' })).toThrow(PlanError);
    expect(() => planFromRecipe(recipe('redis'), { ...pins, version: '7.0.1', operating_system: 'debian-11' })).toThrow(
      /debian-11/,
    );
  });
});

describe('canonical JSON', () => {
  test('sorts keys, drops undefined values, and keeps the order of lists', () => {
    expect(canonicalJson({ b: [2, 1, { d: null, c: true }], a: undefined, A: 'é"' })).toBe(
      '{"A":"é\\"","b":[2,1,{"c":true,"d":null}]}',
    );
  });

  test.each([Number.NaN, () => 1, 1n, Symbol('x')])('rejects values that JSON does not have', (value) => {
    expect(() => canonicalJson({ value })).toThrow(TypeError);
  });
});
