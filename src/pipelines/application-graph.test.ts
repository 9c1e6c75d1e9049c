// The dependency graph: an application is built after the applications that it needs. Also tests hidden applications and random
// graphs.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { createApplicationRequest, getApplicationRequest } from '../catalog/application-requests.ts';
import { getApplication, listApplications } from '../catalog/applications.ts';
import { getPipeline, listPipelines } from '../catalog/pipelines.ts';
import type { PipelineStatus } from '../contract/vocabulary.ts';
import { addDependencies } from './application-graph.ts';
import { cancelUnbuildable, failPhase } from './phases.ts';
import { createWave } from './waves.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
});
afterAll(() => catalog.drop());

const PAGE = { page: 1, page_size: 500 } as const;

/** Inserts an application of a new offering, because a base image can have only one application of an offering. */
async function insertApplication(name: string, options: { requested?: boolean } = {}): Promise<string> {
  const offering = randomUUID();
  const application = randomUUID();
  const { principal, catalog_id, registry_id } = catalog.acme;
  await catalog.write(async (tx) => {
    await sql`insert into product_branches (product_key, branch) values ('redis', ${name})`.execute(tx);
    await sql`insert into offerings (id, product_key, branch, packaging_type)
      values (${offering}, 'redis', ${name}, 'CONTAINER_IMAGE')`.execute(tx);
    await tx
      .insertInto('applications')
      .values({
        id: application,
        organization_id: principal.organization_id,
        catalog_id,
        offering_id: offering,
        product_key: 'redis',
        branch: name,
        packaging_type: 'CONTAINER_IMAGE',
        base_image_id: catalog.base,
        created_by: 'test',
        updated_by: 'test',
        requested: options.requested ?? true,
      })
      .execute();
    await tx
      .insertInto('application_registries')
      .values({ application_id: application, registry_id, position: 0 })
      .execute();
  });
  return application;
}

async function need(application: string, ...needed: string[]): Promise<void> {
  await catalog.write((tx) => addDependencies(tx, application, needed));
}

async function wave(...application_ids: string[]): Promise<Map<string, string>> {
  const created = await catalog.write((tx) =>
    createWave(tx, { cause: 'REBUILD', application_ids, triggers: [{ type: 'MANUAL_RUN' }], keep_pins: false }),
  );
  return new Map(created.map(({ id, application_id }) => [application_id, id]));
}

const read = (pipeline_id: string) =>
  getPipeline(catalog.db, catalog.acme.principal, { catalog_id: catalog.acme.catalog_id, pipeline_id });
const readApplication = (application_id: string) =>
  getApplication(catalog.db, catalog.acme.principal, { catalog_id: catalog.acme.catalog_id, application_id });
const fail = (pipeline_id: string) =>
  catalog.write((tx) => failPhase(tx, { pipeline_id, phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'broken' }));
const remove = (...application_ids: string[]) =>
  catalog.write((tx) =>
    createApplicationRequest(tx, catalog.acme.principal, {
      kind: 'DELETION',
      catalog_id: catalog.acme.catalog_id,
      name: 'away',
      application_ids,
    }),
  );

describe('a chart and its image', () => {
  let image = '';
  let chart = '';
  beforeEach(async () => {
    await catalog.clearJobs();
    image = await insertApplication(`image-${randomUUID()}`);
    chart = await insertApplication(`chart-${randomUUID()}`);
    await need(chart, image);
  });

  test('a wave of the image includes the chart, whose pipeline names the pipeline that it waits for', async () => {
    const made = await wave(image);
    expect([...made.keys()]).toEqual([image, chart]);
    expect(await catalog.waiting('plan-pipeline')).toEqual([made.get(image)]);
    const waiting = await read(made.get(chart) ?? '');
    expect(waiting.waiting).toContainEqual(
      expect.objectContaining({ cause: 'NEEDED_PIPELINE', pipeline_id: made.get(image) }),
    );
    await catalog.finish(made.get(image) ?? '');
    expect(await catalog.waiting('plan-pipeline')).toContain(made.get(chart));
    expect((await read(made.get(chart) ?? '')).waiting?.map(({ cause }) => cause)).toEqual(['WORKER_MISSING']);
  });

  test('a wave of the chart does not include the image', async () => {
    const made = await wave(chart);
    expect([...made.keys()]).toEqual([chart]);
    expect(await catalog.waiting('plan-pipeline')).toEqual([made.get(chart)]);
  });

  test('a chart that is requested while its image is built waits for the image', async () => {
    const first = await wave(image);
    await catalog.plan(first.get(image) ?? '');
    const second = await wave(chart);
    expect((await read(first.get(chart) ?? '')).status).toBe('CANCELLED');
    expect((await read(second.get(chart) ?? '')).waiting).toContainEqual(
      expect.objectContaining({ cause: 'NEEDED_PIPELINE', pipeline_id: first.get(image) }),
    );
  });

  test('two waves that include the chart build it once, and its pipeline belongs to both', async () => {
    const other = await insertApplication(`image-${randomUUID()}`);
    await need(chart, other);
    const first = await wave(image);
    const second = await wave(other);
    expect((await read(first.get(chart) ?? '')).status).toBe('CANCELLED');
    const served = await sql<{ count: number }>`
      select count(*)::int as count from wave_pipelines where pipeline_id = ${second.get(chart)}`.execute(catalog.db);
    expect(served.rows[0]?.count).toBe(2);
    await catalog.finish(second.get(other) ?? '');
    expect(await catalog.waiting('plan-pipeline')).not.toContain(second.get(chart));
    await catalog.finish(first.get(image) ?? '');
    expect(await catalog.waiting('plan-pipeline')).toContain(second.get(chart));
  });

  test('an image that fails without a release cancels the chart with an error that names it; a retry of the image builds both', async () => {
    const made = await wave(image);
    const [chartPipeline, imagePipeline] = [made.get(chart) ?? '', made.get(image) ?? ''];
    await catalog.plan(imagePipeline);
    await fail(imagePipeline);
    expect(await catalog.waiting('plan-pipeline')).toContain(chartPipeline);
    expect(await catalog.write((tx) => cancelUnbuildable(tx, chartPipeline))).toBe(true);
    expect(await catalog.write((tx) => cancelUnbuildable(tx, chartPipeline))).toBe(false);
    const ended = await read(chartPipeline);
    expect(ended.status).toBe('CANCELLED');
    expect(ended.phases[0]?.failure).toMatchObject({
      cause: 'UNKNOWN',
      error_message: expect.stringMatching(
        new RegExp(`^This pipeline needs redis image-.*pipeline ${imagePipeline} is FAILED`),
      ),
    });
    expect((await readApplication(chart)).processing_status).toEqual({ status: 'FAILED' });
    const again = await wave(image);
    const [chartAgain, imageAgain] = [again.get(chart) ?? '', again.get(image) ?? ''];
    expect(await catalog.waiting('plan-pipeline')).toContain(imageAgain);
    expect(await catalog.waiting('plan-pipeline')).not.toContain(chartAgain);
    await catalog.finish(imageAgain);
    expect(await catalog.waiting('plan-pipeline')).toContain(chartAgain);
    expect(await catalog.write((tx) => cancelUnbuildable(tx, chartAgain))).toBe(false);
  });

  test('a chart starts after its image failed if the image has an earlier release', async () => {
    const first = await wave(image);
    await catalog.finish(first.get(image) ?? '');
    await catalog.finish(first.get(chart) ?? '');
    const second = await wave(image);
    await catalog.plan(second.get(image) ?? '', 'other');
    await fail(second.get(image) ?? '');
    expect(await catalog.waiting('plan-pipeline')).toContain(second.get(chart));
    expect(await catalog.write((tx) => cancelUnbuildable(tx, second.get(chart) ?? ''))).toBe(false);
  });

  test('a cycle is rejected', async () => {
    await expect(need(image, chart)).rejects.toThrow(`Application ${image} would need itself`);
  });

  test('a hidden image is in no list of applications, and its pipelines are listed only without applications_only', async () => {
    await sql`update applications set requested = false where id = ${image}`.execute(catalog.db);
    const made = await wave(image);
    const { principal, catalog_id } = catalog.acme;
    const order = { order_field: 'CREATED_AT', order_direction: 'DESC' } as const;
    const listed = await listApplications(catalog.db, principal, { catalog_id, ...order, ...PAGE });
    expect(listed.items.map(({ id }) => id)).toContain(chart);
    expect(listed.items.map(({ id }) => id)).not.toContain(image);
    expect(listed.total_size).toBe(listed.items.length);
    expect((await readApplication(image)).id).toBe(image);
    const pipelines = (applications_only: boolean) =>
      listPipelines(catalog.db, principal, {
        catalog_id,
        applications_only,
        order_field: 'STARTED_AT',
        order_direction: 'DESC',
        ...PAGE,
      });
    const [all, few] = [await pipelines(false), await pipelines(true)];
    expect(all.items.map(({ id }) => id)).toContain(made.get(image));
    expect(few.items.map(({ id }) => id)).not.toContain(made.get(image));
    expect([all.total_size, few.total_size]).toEqual([all.items.length, few.items.length]);
  });

  test('a removal of an image that a chart needs hides it; the removal of the chart removes both', async () => {
    await wave(image);
    await remove(image);
    expect(await readApplication(image)).toMatchObject({ status: 'SUPPORTED' });
    await expect(remove(image)).rejects.toMatchObject({ code: 'INVALID' });
    await remove(chart);
    expect(await readApplication(image)).toMatchObject({ status: 'REMOVED' });
    const open = await catalog.openPipelines(image);
    expect(open).toEqual([]);
  });

  test('one request removes an image and its chart', async () => {
    await remove(image, chart);
    for (const id of [image, chart]) expect(await readApplication(id)).toMatchObject({ status: 'REMOVED' });
  });
});

test('a request for a hidden application shows it again, with its registry', async () => {
  const { application_ids } = await catalog.request(catalog.acme, ['nginx']);
  const [nginx = ''] = application_ids;
  const chart = await insertApplication(`chart-${randomUUID()}`);
  await need(chart, nginx);
  await remove(nginx);
  expect(await readApplication(nginx)).toMatchObject({ status: 'SUPPORTED' });
  const again = await catalog.request(catalog.acme, ['nginx']);
  expect(again.application_ids).toEqual([nginx]);
  const request = await getApplicationRequest(catalog.db, catalog.acme.principal, {
    catalog_id: catalog.acme.catalog_id,
    application_request_id: again.request_id,
  });
  expect(request.applications[0]?.registries).toHaveLength(1);
  await expect(catalog.request(catalog.acme, ['nginx'])).rejects.toMatchObject({ code: 'INVALID' });
});

describe('random graphs', () => {
  /** Returns a random number generator. The same seed always gives the same numbers, so that a failure can be repeated. */
  function numbers(seed: number): (below: number) => number {
    let state = seed * 2_654_435_761 + 1;
    return (below) => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return state % below;
    };
  }

  /**
   * How many random graphs are tested. The number is small, because each graph inserts many rows. One graph in ten is large.
   */
  const GRAPHS = Number(process.env.LARDER_TEST_GRAPHS ?? 12);

  test.each(Array.from({ length: GRAPHS }, (_, seed) => seed))('graph %i', async (seed) => {
    const pick = numbers(seed + 1);
    const size = 2 + pick(seed % 10 === 0 ? 199 : 20);
    await expectGraphEnds(pick, size);
  });

  async function expectGraphEnds(pick: (below: number) => number, size: number): Promise<void> {
    await catalog.clearJobs();
    const nodes = await insertNodes(size);
    const needs = new Map<string, string[]>();
    for (const [index, node] of nodes.entries()) {
      const chosen = new Set(Array.from({ length: index === 0 ? 0 : pick(4) }, () => nodes[pick(index)] ?? ''));
      needs.set(node, [...chosen]);
      await need(node, ...chosen);
    }
    const bystander = await insertApplication(`bystander-${randomUUID()}`);
    const untouched = (await wave(bystander)).get(bystander) ?? '';
    const reach = (roots: string[]) => {
      const reached = new Set(roots);
      for (const node of nodes) if (needs.get(node)?.some((one) => reached.has(one))) reached.add(node);
      return reached;
    };
    const roots = Array.from({ length: 1 + pick(3) }, () => nodes[pick(size)] ?? '');
    const made = await wave(...roots);
    expect(new Set(made.keys())).toEqual(reach(roots));
    const moments = { left: 3, pick, nodes, removed: new Set<string>() };
    await runToEnd(needs, moments, untouched);
    const rows = await pipelinesOf(nodes);
    expect(rows.filter(({ status }) => status === 'IN_PROGRESS')).toEqual([]);
    expect((await read(untouched)).status).toBe('IN_PROGRESS');
    const perWave = await sql<{ built: number }>`
      select count(*)::int as built from wave_pipelines w join pipelines l on l.id = w.pipeline_id
      where l.application_id = any(${nodes}::uuid[]) and l.status in ('SUCCEEDED', 'FAILED')
      group by w.wave_id, l.application_id, l.wave_id having count(*) > 1`.execute(catalog.db);
    expect(perWave.rows).toEqual([]);
  }

  async function insertNodes(size: number): Promise<string[]> {
    const nodes: string[] = [];
    const run = randomUUID().slice(0, 8);
    for (let index = 0; index < size; index++) nodes.push(await insertApplication(`${run}-${index}`));
    return nodes;
  }

  type Moments = { left: number; pick: (below: number) => number; nodes: string[]; removed: Set<string> };

  /** Runs the jobs one at a time in random order. Between jobs, creates waves, fails pipelines and removes applications. */
  async function runToEnd(needs: Map<string, string[]>, moments: Moments, untouched: string): Promise<void> {
    for (;;) {
      const jobs = (await catalog.waiting('plan-pipeline')).filter((id) => id !== untouched);
      if (jobs.length === 0) return;
      const id = jobs[moments.pick(jobs.length)] ?? '';
      await takeJob(id);
      await expectNeedsEnded(id, needs);
      if (await isOpen(id)) {
        if (moments.pick(5) === 0) await fail(id);
        else await catalog.finish(id, randomUUID());
      }
      if (moments.left > 0 && moments.pick(4) === 0) {
        moments.left -= 1;
        await disturb(moments);
      }
    }
  }

  async function disturb({ pick, nodes, removed }: Moments): Promise<void> {
    const living = nodes.filter((node) => !removed.has(node));
    const node = living[pick(living.length)];
    if (node === undefined) return;
    if (pick(4) === 0) {
      removed.add(node);
      await remove(node);
    } else await wave(node);
  }

  async function takeJob(id: string): Promise<void> {
    await sql`delete from queue.job where data -> 'payload' ->> 'pipeline_id' = ${id}`.execute(catalog.db);
    await catalog.write((tx) => cancelUnbuildable(tx, id));
  }

  async function isOpen(id: string): Promise<boolean> {
    const row = await catalog.db
      .selectFrom('pipelines')
      .select('status')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    return row.status === 'IN_PROGRESS';
  }

  /** Expects that the applications which this pipeline's application needs have no open pipeline when the pipeline starts. */
  async function expectNeedsEnded(id: string, needs: Map<string, string[]>): Promise<void> {
    const row = await catalog.db
      .selectFrom('pipelines')
      .select(['application_id', 'status'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    if (row.status !== 'IN_PROGRESS') return;
    const open = await sql<{ id: string }>`
      select id from pipelines where application_id = any(${needs.get(row.application_id) ?? []}::uuid[])
        and status = 'IN_PROGRESS'`.execute(catalog.db);
    expect(open.rows).toEqual([]);
  }

  async function pipelinesOf(nodes: string[]): Promise<{ id: string; status: PipelineStatus }[]> {
    return await catalog.db
      .selectFrom('pipelines')
      .select(['id', 'status'])
      .where('application_id', 'in', nodes)
      .execute();
  }
});
