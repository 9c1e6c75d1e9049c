// What the command line says of pipelines and requests that wait, and how it tries failed ones again.
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestEstates, type TestEstates } from '../../test/estate.ts';
import { recordBaseImageHealth } from '../catalog/base-image-versions.ts';
import { failPhase } from '../catalog/pipeline-steps.ts';
import type { Role } from '../contract/vocabulary.ts';
import { createProgram, runProgram } from './program.ts';

type Ran = { out: string; err: string };

let estates: TestEstates;

beforeAll(async () => {
  estates = await openTestEstates();
  await estates.api.app.listen({ host: '127.0.0.1', port: 0 });
}, 60_000);
afterAll(() => estates.api.close());

async function run(args: string[], options: { code?: number; role?: Role } = {}): Promise<Ran> {
  const { app, acme } = estates.api;
  const [out, err] = [new PassThrough(), new PassThrough()];
  const io = { out, err, in: Readable.from([]) };
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  const code = await runProgram(
    createProgram(io),
    ['--url', url, '--token', acme.tokens[options.role ?? 'VIEWER'], ...args],
    io,
  );
  expect(code).toBe(options.code ?? 0);
  return { out: String(out.read() ?? ''), err: String(err.read() ?? '') };
}

test('pipelines and requests say in a sentence why they wait', async () => {
  const base_image_id = estates.acme['base_image_id']?.[0] ?? '';
  await estates.catalog.request(estates.catalog.acme, ['nginx'], { base_image_id });
  const unhealthy_cause = 'registry.invalid does not resolve.';
  await estates.catalog.write((tx) => recordBaseImageHealth(tx, { base_image_id, unhealthy_cause }));
  const reason = 'The base image own cannot be read: registry.invalid does not resolve.';
  expect((await run(['pipelines', '--status', 'IN_PROGRESS'])).out).toMatch(
    new RegExp(`nginx .* waiting .* ${reason}`),
  );
  expect((await run(['requests'])).out).toMatch(new RegExp(`PENDING .* nginx .* ${reason}`));
});

test('a failed pipeline is tried again once', async () => {
  const { catalog } = estates;
  const [application = ''] = (await catalog.request(catalog.acme, ['postgresql'])).application_ids;
  const failed = await catalog.openPipeline(application);
  const fault = { pipeline_id: failed, phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'no' } as const;
  await catalog.write((tx) => failPhase(tx, fault));
  const { out, err } = await run(['retry', failed], { role: 'EDITOR' });
  expect([out.trim(), err]).toEqual([await catalog.openPipeline(application), '']);
  const again = await run(['retry', failed], { role: 'EDITOR', code: 1 });
  expect(again.err).toContain(`The pipeline ${out.trim()} of the application has not ended`);
});

test('the settings of the catalog are shown and changed', async () => {
  expect((await run(['settings'])).out).toMatch(/unverified images +DEFAULT\nare released +yes/);
  const changed = await run(['settings', '--unverified-images', 'FORBIDDEN'], { role: 'OWNER' });
  expect(changed.out).toMatch(/unverified images +FORBIDDEN\nare released +no/);
  const wrong = await run(['settings', '--unverified-images', 'maybe'], { role: 'OWNER', code: 2 });
  expect(wrong.err).toContain('Allowed choices are DEFAULT, ALLOWED, FORBIDDEN');
  expect((await run(['releases'])).out).toMatch(/VERIFIED[^\n]*\n.* yes /);
});
