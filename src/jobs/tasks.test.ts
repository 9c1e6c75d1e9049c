// When a job fails for good, its pipeline or base image shows the cause.
import { expect, test } from 'vitest';
import { openTestCatalog } from '../../test/catalog.ts';
import { getPipeline } from '../catalog/pipelines.ts';
import { JobCrashed } from '../db/queue-worker.ts';
import { AptError } from '../debian/apt-command.ts';
import { openLog } from '../log.ts';
import { giveUp } from './tasks.ts';
import type { WorkerResources } from './worker-resources.ts';

const log = openLog({ level: 'silent', destination: { write: () => {} } });

const MEMORY = 'the process that built this image used more than 1 GiB of memory and was ended';

test('a pipeline whose engine process crashed fails with UNKNOWN and a sentence', async () => {
  const catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  const [application = ''] = (await catalog.request(catalog.acme, ['redis'])).application_ids;
  const pipeline_id = await catalog.openPipeline(application);
  const resources = { db: catalog.db, log } as unknown as WorkerResources;

  await giveUp(resources, { task: 'package-pipeline', payload: { pipeline_id } }, new JobCrashed(MEMORY));

  const where = { catalog_id: catalog.acme.catalog_id, pipeline_id };
  const { status, phases } = await getPipeline(catalog.db, catalog.acme.principal, where);
  expect([status, ...phases.map((phase) => phase.status)]).toEqual(['FAILED', 'FAILED', 'SKIPPED', 'SKIPPED']);
  expect(phases[0]).toMatchObject({ failure: { cause: 'UNKNOWN', error_message: `${MEMORY}; it is not tried again` } });
  await catalog.drop();
});

test('characters that PostgreSQL cannot store are replaced in the cause', async () => {
  const catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  const [application = ''] = (await catalog.request(catalog.acme, ['redis'])).application_ids;
  const pipeline_id = await catalog.openPipeline(application);
  const resources = { db: catalog.db, log } as unknown as WorkerResources;
  const error = new AptError('UNREACHABLE', 'The archive said \0 and \ud800.');

  await giveUp(resources, { task: 'plan-pipeline', payload: { pipeline_id } }, error);
  await giveUp(resources, { task: 'build-base-image', payload: { base_image_id: catalog.base } }, error);

  const where = { catalog_id: catalog.acme.catalog_id, pipeline_id };
  const { phases } = await getPipeline(catalog.db, catalog.acme.principal, where);
  const error_message = 'The archive said \ufffd and \ufffd. (it was tried several times)';
  expect(phases[0]).toMatchObject({ failure: { cause: 'BUILD_ERROR', error_message } });
  await catalog.drop();
});

test('a base image shows why it could not be built or read, for every kind of error', async () => {
  const catalog = await openTestCatalog();
  const resources = { db: catalog.db, log } as unknown as WorkerResources;
  const payload = { base_image_id: catalog.base };
  const health = async () => {
    const { healthy, unhealthy_cause } = await catalog.db
      .selectFrom('base_images')
      .select(['healthy', 'unhealthy_cause'])
      .where('id', '=', catalog.base)
      .executeTakeFirstOrThrow();
    return [healthy, unhealthy_cause];
  };

  await giveUp(resources, { task: 'build-base-image', payload }, new JobCrashed(MEMORY));
  expect(await health()).toEqual([false, `${MEMORY}; it is not tried again`]);

  await catalog.baseMoves('first');
  expect(await health()).toEqual([true, null]);

  const away = new AptError('UNREACHABLE', 'The archive deb.debian.org does not answer.');
  await giveUp(resources, { task: 'build-base-image', payload }, away);
  expect(await health()).toEqual([false, 'The archive deb.debian.org does not answer. (it was tried several times)']);

  await giveUp(resources, { task: 'follow-base-image', payload }, new TypeError('secret of ours'));
  expect(await health()).toEqual([
    false,
    'An internal error ended this step after several tries; the service log has the cause.',
  ]);
  await catalog.drop();
});
