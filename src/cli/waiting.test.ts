// What the command line says of pipelines and requests that wait.
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestEstates, type TestEstates } from '../../test/estate.ts';
import { recordBaseImageHealth } from '../catalog/base-image-versions.ts';
import { createProgram, runProgram } from './program.ts';

let estates: TestEstates;

beforeAll(async () => {
  estates = await openTestEstates();
  await estates.api.app.listen({ host: '127.0.0.1', port: 0 });
}, 60_000);
afterAll(() => estates.api.close());

async function run(...args: string[]): Promise<string> {
  const { app, acme } = estates.api;
  const [out, err] = [new PassThrough(), new PassThrough()];
  const io = { out, err, in: Readable.from([]) };
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  const code = await runProgram(createProgram(io), ['--url', url, '--token', acme.tokens.VIEWER, ...args], io);
  expect([code, String(err.read() ?? '')]).toEqual([0, '']);
  return String(out.read() ?? '');
}

test('pipelines and requests say in a sentence why they wait', async () => {
  const base_image_id = estates.acme['base_image_id']?.[0] ?? '';
  await estates.catalog.request(estates.catalog.acme, ['nginx'], { base_image_id });
  const unhealthy_cause = 'registry.invalid does not resolve.';
  await estates.catalog.write((tx) => recordBaseImageHealth(tx, { base_image_id, unhealthy_cause }));
  const reason = 'The base image own cannot be read: registry.invalid does not resolve.';
  expect(await run('pipelines', '--status', 'IN_PROGRESS')).toMatch(new RegExp(`nginx .* waiting .* ${reason}`));
  expect(await run('requests')).toMatch(new RegExp(`PENDING .* nginx .* ${reason}`));
});
