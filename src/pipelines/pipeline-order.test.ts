// The order in which a worker runs the steps of many pipelines: started pipelines before others, manual runs before
// maintenance, and the organizations alternately.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog, type TestOrganization } from '../../test/catalog.ts';
import { handlersWith } from '../../test/queue-handlers.ts';
import { sampleArtifact } from '../../test/stored-values.ts';
import { type Handlers, openQueue, type Queue } from '../db/queue-worker.ts';
import { startPhase, succeedPhase } from './phases.ts';
import { cancelPipelines, createWave } from './waves.ts';

let catalog: TestCatalog;
const applications = new Map<TestOrganization, string[]>();
beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  for (const organization of [catalog.acme, catalog.rival]) {
    const { application_ids } = await catalog.request(organization, ['redis', 'nginx', 'postgresql']);
    applications.set(organization, application_ids);
  }
});
afterAll(() => catalog.drop());
beforeEach(async () => {
  // Ends the first pipelines of the applications, because an open pipeline would pass its triggers on to the next one.
  const open = await Promise.all([...applications.values()].flat().map((id) => catalog.openPipelines(id)));
  await catalog.write((tx) => cancelPipelines(tx, open.flat()));
  await catalog.clearJobs();
});

let queue: Queue | undefined;
afterEach(() => queue?.stop({ finishMs: 0 }));

type Trigger = 'MAINTENANCE' | 'MANUAL_RUN';

async function request(organization: TestOrganization, position: number, type: Trigger): Promise<string> {
  const id = applications.get(organization)?.[position] ?? '';
  const [made] = await catalog.write((tx) =>
    createWave(tx, { cause: 'REBUILD', application_ids: [id], triggers: [{ type }], keep_pins: false }),
  );
  return made?.id ?? '';
}

/** Runs all jobs. Returns `task pipeline` for each step, in the order in which the steps started. */
async function runAll(concurrency: number): Promise<string[]> {
  const steps: string[] = [];
  const begin = (task: string, id: string) => void steps.push(`${task} ${id}`);
  const handlers: Handlers = {
    ...handlersWith(async () => {}),
    async 'plan-pipeline'({ pipeline_id }) {
      begin('plan', pipeline_id);
      await catalog.plan(pipeline_id, pipeline_id);
    },
    async 'package-pipeline'({ pipeline_id }) {
      begin('package', pipeline_id);
      await catalog.write((tx) => succeedPhase(tx, { pipeline_id, phase: 'PACKAGING', artifact: sampleArtifact() }));
    },
    async 'verify-pipeline'({ pipeline_id }) {
      begin('verify', pipeline_id);
      await catalog.write((tx) => startPhase(tx, { pipeline_id, phase: 'VERIFICATION' }));
      await catalog.write((tx) => succeedPhase(tx, { pipeline_id, phase: 'VERIFICATION' }));
    },
    async 'distribute-pipeline'({ pipeline_id }) {
      begin('distribute', pipeline_id);
    },
  };
  queue = await openQueue({ url: catalog.url });
  await queue.work(handlers, { concurrency });
  await queue.drain();
  return steps;
}

const stepsOf = (...ids: string[]): string[] =>
  ids.flatMap((id) => ['plan', 'package', 'verify', 'distribute'].map((task) => `${task} ${id}`));

test('a pipeline ends before the next one starts', async () => {
  const fleet: string[] = [];
  for (const position of [0, 1, 2]) fleet.push(await request(catalog.acme, position, 'MAINTENANCE'));
  expect(await runAll(1)).toEqual(stepsOf(...fleet));
});

test('a manual run goes before every step of maintenance pipelines', async () => {
  const fleet = [await request(catalog.acme, 0, 'MAINTENANCE'), await request(catalog.acme, 1, 'MAINTENANCE')];
  const person = await request(catalog.acme, 2, 'MANUAL_RUN');
  expect(await runAll(1)).toEqual(stepsOf(person, ...fleet));
});

test('the steps of one organization do not delay the pipeline of another one', async () => {
  const fleet: string[] = [];
  for (const position of [0, 1, 2]) fleet.push(await request(catalog.acme, position, 'MAINTENANCE'));
  const other = await request(catalog.rival, 0, 'MAINTENANCE');
  const steps = await runAll(2);
  expect(steps.indexOf(`distribute ${other}`)).toBeLessThan(steps.indexOf(`plan ${fleet[2]}`));
});
