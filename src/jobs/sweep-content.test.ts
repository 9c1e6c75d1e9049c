// The sweeper deletes content that is unused and old enough, and keeps all other content.
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { chunked } from '../../test/fixtures/tar.ts';
import { sampleArtifact, sampleLayer } from '../../test/stored-values.ts';
import type { ContentStore } from '../content/content.ts';
import { addUses } from '../content/content-uses.ts';
import { openDiskContent } from '../content/disk.ts';
import type { Digest } from '../contract/vocabulary.ts';
import { openLog } from '../log.ts';
import { recordArtifact, recordBuiltLayer, useArtifact, useBuiltLayer } from '../pipelines/built.ts';
import { sweepContent } from './sweep-content.ts';

let catalog: TestCatalog;
let directory: string;
let content: ContentStore;
beforeAll(async () => {
  catalog = await openTestCatalog();
  directory = await mkdtemp(join(tmpdir(), 'larder-sweep-'));
  content = await openDiskContent(directory);
});
afterAll(async () => {
  await catalog.drop();
  await rm(directory, { recursive: true, force: true });
});

const log = openLog({ level: 'silent', name: 'sweep' });

async function sweep(): Promise<void> {
  await sweepContent(
    { db: catalog.db, content, log, config: { auditDays: 90 } },
    {},
    { signal: new AbortController().signal, id: 'sweep', attempt: 1, isLast: true },
  );
}

/** Stores a text as content that was last touched `hoursAgo` hours ago. */
async function put(text: string, hoursAgo: number): Promise<Digest> {
  const { digest } = await content.put(chunked(Buffer.from(text)));
  const moment = new Date(Date.now() - hoursAgo * 3_600_000);
  const hex = digest.slice('sha256:'.length);
  await utimes(join(directory, 'sha256', hex.slice(0, 2), hex), moment, moment);
  return digest;
}

async function isHeld(digest: Digest): Promise<boolean> {
  return (await content.stat(digest)) !== undefined;
}

/** Sets the last use of all built layers and artifacts to `days` ago. */
async function age(days: number): Promise<void> {
  for (const table of ['built_layers', 'artifacts']) {
    await catalog.pool.query(`update ${table} set used_at = now() - make_interval(days => $1)`, [days]);
  }
}

test('deletes content after a day without a use; younger, used and uploaded content stays', async () => {
  const [old, young, used] = [await put('old', 25), await put('young', 23), await put('used', 1000)];
  await catalog.write((tx) => addUses(tx, { kind: 'release', id: 'r' }, [used]));
  const upload = 'b7e1c2f0-5a3d-4a7e-9a55-0d4d6a4f4c11';
  await content.uploads.append(upload, 0, chunked(Buffer.from('first half')));
  await sweep();
  expect([await isHeld(old), await isHeld(young), await isHeld(used)]).toEqual([false, true, true]);
  expect(await content.uploads.length(upload)).toBe('first half'.length);
});

test('deletes a layer and an artifact with their content after a month without a use; content of releases stays', async () => {
  const [layer, artifact, both] = [await put('layer', 25), await put('artifact', 25), await put('both', 25)];
  const plan_digest = await put('plan', 1);
  await catalog.write(async (tx) => {
    await recordBuiltLayer(tx, { key: 'one', layer: sampleLayer('1'), contents: [layer, both] });
    await recordArtifact(tx, { plan_digest, artifact: sampleArtifact(), contents: [artifact] });
    await addUses(tx, { kind: 'release', id: 'r' }, [both]);
  });
  await age(29);
  await sweep();
  expect(await Promise.all([layer, artifact, both].map(isHeld))).toEqual([true, true, true]);
  await age(31);
  await sweep();
  expect(await Promise.all([layer, artifact, both].map(isHeld))).toEqual([false, false, true]);
  expect(await catalog.write((tx) => useBuiltLayer(tx, 'one'))).toBeUndefined();
  expect(await catalog.write((tx) => useArtifact(tx, plan_digest))).toBeUndefined();
});

test('keeps a layer that a build uses during the sweep, and records the use', async () => {
  const layer = await put('wanted', 25);
  await catalog.write((tx) => recordBuiltLayer(tx, { key: 'wanted', layer: sampleLayer('2'), contents: [layer] }));
  await age(31);
  await catalog.write(async (tx) => {
    expect(await useBuiltLayer(tx, 'wanted')).toEqual(sampleLayer('2'));
    // The transaction of a build is still open. The sweeper skips the row that this transaction has locked.
    await sweep();
  });
  await sweep();
  expect(await isHeld(layer)).toBe(true);
  expect(await catalog.write((tx) => useBuiltLayer(tx, 'wanted'))).toEqual(sampleLayer('2'));
});

test('deletes more entries than one batch has', async () => {
  const layer = await put('many', 25);
  await catalog.pool.query(
    `insert into built_layers (key, layer) select 'many ' || n, '{}' from generate_series(1, 1200) n`,
  );
  await catalog.pool.query(
    `insert into content_uses (digest, kind, id) select $1, 'layer', 'many ' || n from generate_series(1, 1200) n`,
    [layer],
  );
  await age(31);
  await sweep();
  expect((await catalog.pool.query('select from built_layers')).rowCount).toBe(0);
  expect(await isHeld(layer)).toBe(false);
});
