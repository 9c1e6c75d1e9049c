// A step that fails because the disk is full is postponed, and its attempt is not counted. If the disk has space, a step
// fails even if its program prints that the disk is full.
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { getPipeline } from '../catalog/pipelines.ts';
import { memoryContent } from '../content/memory.ts';
import { outOfSpaceCode } from '../content/out-of-space.ts';
import { type JobContext, JobPostponed } from '../db/queue-worker.ts';
import { receivedError, sentError } from '../engine/messages.ts';
import { RegistryError } from '../oci/errors.ts';
import { BuildError } from '../sandbox/build-error.ts';
import { waitForSpace, withSpace } from './free-space.ts';
import { planPipeline } from './plan-pipeline.ts';
import { handlersOf } from './tasks.ts';
import type { WorkerResources } from './worker-resources.ts';

const context = { signal: new AbortController().signal } as JobContext;

/** The device that is always full (full(4)). */
const fill = () => writeFile('/dev/full', 'x');

function disk(share: number) {
  return { content: { ...memoryContent(), freeShare: async () => share } };
}

/** Returns the error of a step whose program printed that the disk is full. */
function failure(): BuildError {
  const { stderr } = spawnSync('/bin/sh', ['-c', '/bin/echo x > /dev/full'], { encoding: 'utf8' });
  return new BuildError(`Installing the packages failed.\n${stderr}`, {
    step: 'application',
    cause_kind: 'BUILD_ERROR',
  });
}

const outcome = (share: number, error: () => Promise<unknown>) =>
  withSpace(disk(share), error).catch((thrown: unknown) => thrown);

describe('a step that failed for lack of space is postponed', () => {
  test('if the system reports it, also as the cause of another error and from an engine process', async () => {
    const full = await fill().catch((error) => error);
    const wrapped = new BuildError('The layer cannot be written', {
      step: 'x',
      cause_kind: 'BUILD_ERROR',
      cause: full,
    });
    const sent = receivedError(structuredClone(sentError(wrapped)));
    expect(sent).toBeInstanceOf(BuildError);
    for (const error of [full, wrapped, sent]) {
      const given = await outcome(0.5, () => Promise.reject(error));
      expect(given).toBeInstanceOf(JobPostponed);
      expect(String(given)).toContain('a disk was full during this step (ENOSPC); the job waits until there is space');
    }
  });

  test('if a program reports it while a disk is nearly full', async () => {
    expect(failure().message).toContain('No space left on device');
    expect(await outcome(0.04, () => Promise.reject(failure()))).toBeInstanceOf(JobPostponed);
  });

  test('even if there is space again when the step has failed', async () => {
    let share = 0.04;
    const looked = Promise.withResolvers<void>();
    const content = {
      ...memoryContent(),
      freeShare: async () => {
        looked.resolve();
        return share;
      },
    };
    const step = async () => {
      await looked.promise;
      share = 0.5;
      throw failure();
    };
    await expect(withSpace({ content }, step)).rejects.toBeInstanceOf(JobPostponed);
  });
});

test('a message of a full disk from a script on a disk with space, or from a registry, is a failure', async () => {
  const error = failure();
  expect(await outcome(0.5, () => Promise.reject(error))).toBe(error);
  const details = { op: 'push blob', side: 'target', status: 507, temporary: false } as const;
  const answer = new RegistryError({ ...details, code: 'ENOSPC', message: 'no space there' });
  expect(outOfSpaceCode(answer)).toBe(undefined);
  expect(await outcome(0.5, () => Promise.reject(answer))).toBe(answer);
});

test('a step also waits while the disk of the work folder is nearly full', async () => {
  const workspace = { directory: '/' };
  await waitForSpace({ ...disk(0.05), workspace: { directory: '/nowhere' } });
  await expect(waitForSpace({ ...disk(0.0499), workspace })).rejects.toThrow(/content store's disk has 4\.9 % left/);
});

describe('a pipeline', () => {
  let catalog: TestCatalog;
  beforeAll(async () => {
    catalog = await openTestCatalog();
    await catalog.baseMoves('first');
  });
  afterAll(() => catalog.drop());

  test('continues after a step on a full disk, without a failure', async () => {
    const [application = ''] = (await catalog.request(catalog.acme, ['redis'])).application_ids;
    const pipeline_id = await catalog.openPipeline(application);
    const content = { ...memoryContent(), touch: async () => true };
    const resources = { db: catalog.db, content, archives: { open: fill } } as unknown as WorkerResources;
    await expect(planPipeline(resources, { pipeline_id }, context)).rejects.toBeInstanceOf(JobPostponed);
    const where = { catalog_id: catalog.acme.catalog_id, pipeline_id };
    const { status, phases } = await getPipeline(catalog.db, catalog.acme.principal, where);
    expect(status).toBe('IN_PROGRESS');
    expect(phases.find(({ type }) => type === 'PACKAGING')).toMatchObject({ status: 'IN_PROGRESS' });
    // A full disk postpones every other task in the same way.
    const { 'discover-products': discover } = handlersOf({ ...resources, content: { ...content, put: fill } } as never);
    await expect(discover({}, context)).rejects.toBeInstanceOf(JobPostponed);
  });
});
