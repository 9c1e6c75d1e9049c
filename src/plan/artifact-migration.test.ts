// Migration 0034 converts artifacts that older versions stored.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { digestOf, sampleArtifact } from '../../test/stored-values.ts';
import { contentsOfArtifact, readStoredArtifact, rootFor } from './artifact.ts';

const MIGRATION = new URL('../../migrations/0034_artifacts.sql', import.meta.url);

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
});
afterAll(() => database.drop());

test('an image becomes a root with its parts, and a current value stays unchanged', async () => {
  const descriptor = (name: string) => ({ mediaType: name, digest: digestOf(name), size: 1 });
  const platform = { os: 'linux', architecture: 'amd64' };
  const [index, manifest, config, layer] = ['index', 'manifest', 'config', 'layer'].map(descriptor);
  const report = { digest: digestOf('log'), size: 1, mime_type: 'build_log', filename: 'build.log' };
  const images = [{ platform, manifest, config, layers: [layer, layer] }];
  const older = { index, manifests: images, metadata: [report], packages: digestOf('status') };
  const { packages: _, ...scratch } = older;
  await database.pool.query('create table artifacts (id int, artifact jsonb not null)');
  await database.pool.query('create table pipelines (id int, artifact jsonb)');
  await database.pool.query('insert into artifacts values (1, $1), (2, $2)', [older, sampleArtifact()]);
  await database.pool.query('insert into pipelines values (1, $1), (2, null)', [scratch]);
  await database.pool.query(readFileSync(MIGRATION, 'utf8'));
  const artifacts = await database.pool.query('select artifact from artifacts order by id');
  const pipelines = await database.pool.query('select artifact from pipelines order by id');
  const read = readStoredArtifact(artifacts.rows[0].artifact, 'of plan x');
  expect(read).toEqual({
    format: 1,
    packaging_type: 'CONTAINER_IMAGE',
    roots: {
      all: { descriptor: index, content: config, parts: [{ platform, manifest, blobs: [config, layer, layer] }] },
    },
    component_sources: [{ format: 'DPKG_STATUS', digest: digestOf('status') }],
    reports: [report],
  });
  expect(rootFor(read, 'any registry').descriptor).toEqual(index);
  const named = ['index', 'config', 'manifest', 'layer', 'status', 'log'].map(digestOf);
  expect(contentsOfArtifact(read)).toEqual(named);
  expect(artifacts.rows[1].artifact).toEqual(sampleArtifact());
  expect(readStoredArtifact(pipelines.rows[0].artifact, 'of pipeline x').component_sources).toEqual([]);
  expect(pipelines.rows[1].artifact).toBeNull();
});
