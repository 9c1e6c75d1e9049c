// A resource that is in use cannot be removed. The error names the objects that use it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { createBaseImage, deleteBaseImage } from './base-images.ts';
import { listOperatingSystems } from './operating-systems.ts';
import { createRegistry, deleteRegistry } from './registries.ts';

let catalog: TestCatalog;

beforeAll(async () => {
  catalog = await openTestCatalog();
});
afterAll(() => catalog.drop());

test('a registry cannot be removed while applications or base images use it', async () => {
  const { principal } = catalog.acme;
  const wanted = { name: 'Used', description: '', url: 'https://used.example', access_key: 'me', access_secret: 'x' };
  const { id } = await catalog.write((tx) =>
    createRegistry(tx, principal, { ...wanted, provider: 'OCI' }, { seal: (text) => Buffer.from(text) }),
  );
  const [system] = (await listOperatingSystems(catalog.db, principal, { page: 1, page_size: 20 })).items;
  const asked = { description: '', registry_id: id, operating_system_id: system?.id ?? '' };
  const images: string[] = [];
  for (const number of [1, 2, 3, 4, 5, 6, 7]) {
    const image = { ...asked, name: `Golden ${number}`, container_image: `golden:${number}` };
    images.push((await catalog.write((tx) => createBaseImage(tx, principal, image))).id);
  }
  const made = await catalog.request(catalog.acme, ['nginx'], { base_image_id: images[0] ?? '', registry_ids: [id] });
  const remove = () => catalog.write((tx) => deleteRegistry(tx, principal, { registry_id: id }));
  await expect(remove()).rejects.toMatchObject({
    code: 'IN_USE',
    message:
      'The registry is used by 1 application (nginx 1.22) and 7 base images (Golden 1, Golden 2, Golden 3, Golden 4, Golden 5 and 2 more)',
  });
  await catalog.pool.query('update applications set removed_at = now() where id = any($1)', [made.application_ids]);
  await expect(remove()).rejects.toMatchObject({ message: expect.stringMatching(/^The registry is used by 7 base/) });
  for (const base_image_id of images) {
    await catalog.write((tx) => deleteBaseImage(tx, principal, { base_image_id }));
  }
  await remove();
  const row = await catalog.db.selectFrom('registries').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  expect(row).toMatchObject({ access_key: null, sealed_access_secret: null });
});
