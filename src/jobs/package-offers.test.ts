// Packages of older releases get new versions from the machine's real package archive. Larder reads the fixed vulnerabilities
// in their changelogs.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { library, openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { memoryContent } from '../content/memory.ts';
import { type AptRoot, openAptRoot } from '../debian/apt.ts';
import { configuredSources } from '../debian/apt-sources.ts';
import { recordDiscovery } from '../pipelines/discovery.ts';
import { findPackageOffers } from './package-offers.ts';

let catalog: TestCatalog;
let apt: AptRoot;
let scratch = '';
let application = '';
const content = memoryContent();

/**
 * Packages of an old release. Since then, Debian has published a security update of the first package and a normal update of
 * the second.
 */
const OLD = [
  { name: 'libssl3', architecture: 'amd64', version: '3.0.0-1' },
  { name: 'libjemalloc2', architecture: 'amd64', version: '5.0.0-1' },
  { name: 'no-such-package', architecture: 'amd64', version: '1-1' },
  { name: 'zlib1g', architecture: 'amd64', version: '99:1-1' },
];

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'larder-offers-'));
  const sources = await configuredSources('bookworm');
  apt = await openAptRoot({ directory: scratch, sources, operating_system: 'debian-12' });
  await apt.update();
  catalog = await openTestCatalog();
  await catalog.baseMoves('base');
  const { application_ids } = await catalog.request(catalog.acme, ['redis']);
  application = application_ids[0] ?? '';
  await catalog.finish(await catalog.openPipeline(application), 'first', OLD);
}, 120_000);
afterAll(async () => {
  await catalog.drop();
  await rm(scratch, { recursive: true, force: true });
});

const ask = () =>
  findPackageOffers(catalog.db, { key: 'debian-12', apt, content, signal: new AbortController().signal });

async function discover() {
  const offers = await ask();
  return await catalog.write((tx) => recordDiscovery(tx, library(), offers));
}

test('a security update has a trigger for each fixed vulnerability, another update has MAINTENANCE', async () => {
  const [libssl3, libjemalloc2, zlib1g] = await apt.versionsOf(['libssl3', 'libjemalloc2', 'zlib1g']);
  const offers = await ask();
  expect(offers.map(({ offered }) => offered).sort()).toEqual(
    [libssl3, libjemalloc2, zlib1g].map((one) => one?.candidate).sort(),
  );
  const triggers = new Map(offers.map((one) => [one.offered, one.triggers]));
  expect(triggers.get(libjemalloc2?.candidate ?? '')).toEqual([{ type: 'MAINTENANCE' }]);
  expect(triggers.get(zlib1g?.candidate ?? '')).toEqual([]);
  const fixed = triggers.get(libssl3?.candidate ?? '') ?? [];
  const id = expect.stringMatching(/^CVE-\d{4}-\d{4,}$/);
  const reason = libssl3?.security ? { type: 'CVE_PATCH', context: id } : { type: 'MAINTENANCE' };
  expect(fixed.length).toBeGreaterThan(0);
  for (const trigger of fixed) expect(trigger).toEqual(reason);
});

test('changed packages rebuild the application once; an unchanged archive builds nothing', async () => {
  expect(await discover()).toEqual({ pipelines: 1 });
  const row = await catalog.db
    .selectFrom('pipelines')
    .select('triggers')
    .where('id', '=', await catalog.openPipeline(application))
    .executeTakeFirstOrThrow();
  expect(row.triggers.map(({ type }) => type)).toContain('MAINTENANCE');
  expect(await ask()).toEqual([]);
  expect(await discover()).toEqual({ pipelines: 0 });
  const [libssl3] = await apt.versionsOf(['libssl3']);
  await catalog.finish(await catalog.openPipeline(application), 'second', [
    { name: 'libssl3', architecture: 'amd64', version: libssl3?.candidate ?? '' },
  ]);
  expect(await discover()).toEqual({ pipelines: 0 });
});
