// The products of the real recipes in the main catalog, and their icons.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../../test/api.ts';
import { inTransaction } from '../../db/database.ts';
import { type DiscoveredProduct, recordDiscovery } from '../../pipelines/discovery.ts';
import { loadRecipes, recipeContents, recipeDigest, storeRecipeFiles } from '../../recipes/recipe.ts';

const PRODUCTS = new URL('../../../products/', import.meta.url).pathname;

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
  const recipes = await loadRecipes(PRODUCTS);
  for (const recipe of recipes) await storeRecipeFiles(PRODUCTS, recipe, api.content);
  const products = recipes.map((recipe): DiscoveredProduct => {
    const shown = recipe.key === 'memcached' ? { ...recipe, parent: 'redis' } : recipe;
    return { recipe: shown, recipe_digest: recipeDigest(recipe), contents: recipeContents(recipe), found: [] };
  });
  await inTransaction(api.database.db, (tx) => recordDiscovery(tx, products));
}, 60_000);
afterAll(() => api.close());

const ask = (path: string, headers = {}, method: 'GET' | 'HEAD' = 'GET') =>
  api.ask(method, path, { token: undefined, headers });

async function products() {
  return (await ask('/v1/applications')).json() as { product: Record<string, unknown> }[];
}
const productOf = async (key: string) => (await products()).find((one) => one.product['key'] === key)?.product;

test('a product shows all fields of its recipe', async () => {
  const redis = await productOf('redis');
  expect(redis).toMatchObject({
    legal_overridden_name_bitnami: 'Redis®',
    legal_overridden_name_vmware: 'Redis®',
    trademark_disclaimer_bitnami: expect.stringContaining('Redis is a trademark'),
    trademark_disclaimer_vmware: expect.stringContaining('Redis is a trademark'),
    icon_url: '/larder/v1/products/redis/icon',
    tracking: { tracker_id: 'pkg:deb/debian/redis-server', name: 'redis-server of debian (deb)' },
    licenses: [
      {
        main: true,
        license_id: 'BSD-3-Clause',
        license_key: 'BSD-3-Clause',
        license_relative_path: expect.any(String),
      },
      { main: false, license_id: 'AGPL-3.0-only' },
    ],
    category: { category_id: expect.stringMatching(/^[\da-f-]{36}$/), name: 'Database' },
  });
  expect(redis).not.toHaveProperty('parent');
  const postgresql = await productOf('postgresql');
  expect(postgresql?.['category']).toEqual(redis?.['category']);
  expect(postgresql).not.toHaveProperty('legal_overridden_name_vmware');
  expect((await productOf('memcached'))?.['parent']).toEqual({ product_id: redis?.['product_id'], key: 'redis' });
});

test('each icon is public, cannot run scripts, and is 304 for a client that has it', async () => {
  for (const { product } of await products()) {
    const path = String(product['icon_url']);
    const answer = await ask(path);
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'image/svg+xml']);
    expect(answer.body).toContain('viewBox=');
    expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
    const tag = String(answer.headers.etag);
    expect((await ask(path, { 'if-none-match': tag })).statusCode).toBe(304);
    const head = await ask(path, {}, 'HEAD');
    expect([head.body, head.headers['content-length']]).toEqual(['', String(answer.body.length)]);
  }
});

test('404 for an unknown product, 405 for another method', async () => {
  expect((await ask('/larder/v1/products/nothing/icon')).statusCode).toBe(404);
  expect((await api.ask('POST', '/larder/v1/products/redis/icon', { token: undefined })).statusCode).toBe(405);
});
