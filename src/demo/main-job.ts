// The main job, once through, as a person would do it: request images, bake a customization in, see what was released.
import { execFile } from 'node:child_process';
import { openAsBlob } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Client } from '../client/client.ts';

const run = promisify(execFile);

/** What the demonstration asks for, where the catalog does not have it yet. */
const PRODUCTS = ['redis', 'nginx', 'postgresql'];
const BASE_IMAGE = 'Debian 12';
const COMPANY = fileURLToPath(new URL('../../examples/company', import.meta.url));

/** A slow line and a slow machine together; past this something is wrong. */
const PATIENCE_MS = 15 * 60_000;
const POLL_MS = 500;

export type DemoOptions = { client: Client; say: (line: string) => void };

/** Runs the job and says what happens. Throws when a pipeline fails or nothing moves for too long. */
export async function runMainJob({ client, say }: DemoOptions): Promise<void> {
  const catalogs = await client.call('listCatalogs', {});
  const catalog_id = catalogs.items[0]?.id;
  if (catalog_id === undefined) throw new Error('There is no catalog.');
  await requestProducts({ client, say }, catalog_id);
  await customize({ client, say }, catalog_id);
  say('');
  say('Released:');
  const { items } = await client.call('listApplications', { catalog_id, page_size: 100 });
  for (const application of items) {
    const id = application.latest_release?.id;
    if (id === undefined) continue;
    const { artifact, customizations } = await client.call('getRelease', { catalog_id, release_id: id });
    say(`  ${artifact.url}${customizations?.length ? '   (customized)' : ''}`);
  }
}

async function requestProducts({ client, say }: DemoOptions, catalog_id: string): Promise<void> {
  const images = await client.call('listBaseImages', { page_size: 100 });
  const base = images.items.find(({ name }) => name === BASE_IMAGE);
  if (!base) throw new Error(`There is no base image ${BASE_IMAGE}.`);
  const offerings = await client.call('listOfferings', { operating_system_name: BASE_IMAGE, page_size: 100 });
  const known = await client.call('listApplications', { catalog_id, page_size: 100 });
  const wanted = offerings.items.filter(
    ({ product, branch }) =>
      PRODUCTS.includes(product.key) &&
      !known.items.some((one) => one.product.key === product.key && one.branch === branch),
  );
  if (wanted.length === 0) {
    say('redis, nginx and postgresql are in the catalog already.');
    return;
  }
  say(`Requesting ${wanted.map(({ product, branch }) => `${product.key} ${branch}`).join(', ')} on ${BASE_IMAGE}.`);
  const { id } = await client.call('createApplicationRequest', {
    catalog_id,
    kind: 'CREATION',
    name: 'Demonstration',
    application_offering_ids: wanted.map((offering) => offering.id),
    base_image_id: base.id,
  });
  const status = await follow({ client, say }, catalog_id, async () => {
    const request = await client.call('getApplicationRequest', { catalog_id, application_request_id: id });
    return request.status === 'COMPLETED' || request.status === 'FAILED' ? request.status : undefined;
  });
  if (status === 'FAILED') throw new Error('The request failed; the pipelines above say why.');
}

async function customize({ client, say }: DemoOptions, catalog_id: string): Promise<void> {
  const known = await client.call('listCustomizations', { catalog_id, active: true, page_size: 100 });
  if (known.items.some(({ name }) => name === 'company')) {
    say('The customization «company» is in the catalog already.');
    return;
  }
  say('Baking examples/company into every image: a certificate authority, a file, an environment variable.');
  const folder = await mkdtemp(join(tmpdir(), 'larder-demo-'));
  try {
    const archive = join(folder, 'company.tar.gz');
    await run('tar', [
      '--create',
      '--gzip',
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      `--file=${archive}`,
      `--directory=${COMPANY}`,
      '.',
    ]);
    const bytes = await openAsBlob(archive, { type: 'application/gzip' });
    const file = { filename: 'company.tar.gz', bytes };
    const { id } = await client.call('createCustomization', { catalog_id, name: 'company', file });
    const status = await follow({ client, say }, catalog_id, async () => {
      const found = await client.call('getCustomization', { catalog_id, customization_id: id });
      return /_(SUCCEEDED|FAILED)$/.test(found.status ?? '') ? found.status : undefined;
    });
    if (status !== 'PROCESSING_CREATE_SUCCEEDED')
      throw new Error('The customization failed; the pipelines above say why.');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Asks until there is an answer, and says each step of each pipeline meanwhile. */
async function follow<T>(
  { client, say }: DemoOptions,
  catalog_id: string,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const started = Date.now();
  const said = new Set<string>();
  for (;;) {
    const answer = await ask();
    const { items } = await client.call('listPipelines', { catalog_id, page_size: 20 });
    for (const pipeline of items.filter((one) => Date.parse(one.started_at) > started - 5_000)) {
      for (const phase of pipeline.phases) {
        const key = `${pipeline.id} ${phase.type} ${phase.status}`;
        if (phase.status === 'PENDING' || phase.status === 'SKIPPED' || said.has(key)) continue;
        said.add(key);
        const seconds = ((Date.now() - started) / 1000).toFixed(1).padStart(6);
        const why = phase.failure?.error_message ? `: ${phase.failure.error_message}` : '';
        say(
          `${seconds} s  ${pipeline.product.key.padEnd(12)} ${phase.type.toLowerCase().padEnd(13)} ${phase.status.toLowerCase()}${why}`,
        );
      }
    }
    if (answer !== undefined) return answer;
    if (Date.now() - started > PATIENCE_MS) throw new Error('Nothing came of it for a quarter of an hour.');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
