// The detail of a 404 names the missing object and the objects before it in the path.
import { expect, test } from 'vitest';
import { missingThing } from './missing-thing.ts';

test.each([
  [
    { catalog_id: 'C', application_id: 'A' },
    'application',
    'There is no application A in catalog C that is visible to you.',
  ],
  [{ catalog_id: 'C', application_id: 'A' }, 'catalog', 'There is no catalog C that is visible to you.'],
  [
    { catalog_id: 'C', application_id: 'A' },
    undefined,
    'There is no application A in catalog C that is visible to you.',
  ],
  [{ catalog_id: 'C' }, 'release failure', 'There is no release failure in catalog C that is visible to you.'],
  [
    { product_id_or_key: 'redis', branch_id_or_key: '9' },
    'branch',
    'There is no branch 9 of product redis that is visible to you.',
  ],
  [{ provider_id: 'P' }, 'notification provider', 'There is no notification provider P that is visible to you.'],
  [{}, 'notification provider P', 'There is no notification provider P that is visible to you.'],
  [{}, undefined, undefined],
])('%j without its %s', (params, noun, text) => {
  expect(missingThing(params, noun)).toBe(text);
});

test('a long value is shortened', () => {
  expect(missingThing({ catalog_id: 'x'.repeat(10_000) })?.length).toBeLessThan(200);
});
