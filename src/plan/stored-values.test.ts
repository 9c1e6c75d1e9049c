// Stored values that match the current schema are read. Other values are rejected with an error that names their id.
import { describe, expect, test } from 'vitest';
import {
  artifactAt,
  digestOf,
  sampleArtifact,
  sampleInspection,
  sampleLayer,
  samplePin,
  samplePlan,
  sampleRecipe,
} from '../../test/stored-values.ts';
import { loadRecipes } from '../recipes/recipe.ts';
import { contentsOfArtifact, listRoots, readStoredArtifact, rootFor, soleRoot } from './artifact.ts';
import { readStoredLayer } from './built-layer.ts';
import { contentsOfInspection, readStoredInspection } from './inspection.ts';
import { readMetadataFiles, readTriggers } from './metadata-file.ts';
import { readBasePin } from './pin.ts';
import { readStoredPlan } from './plan.ts';
import { readStoredRecipe } from './recipe.ts';
import { StoredValueError } from './stored-value.ts';

const file = { digest: digestOf('log'), size: 1, mime_type: 'build_log', filename: 'build.log' };

describe.each([
  ['plan', readStoredPlan, samplePlan(), { base: { ...samplePin(), digest: 'latest' } }],
  ['pin of base image', readBasePin, samplePin(), { layers: undefined }],
  ['artifact', readStoredArtifact, sampleArtifact(), { roots: {} }],
  ['layer', readStoredLayer, sampleLayer('x'), { tar_size: '1' }],
  ['inspection of customization', readStoredInspection, sampleInspection('x'), { warnings: ['a sentence'] }],
  ['recipe of product', readStoredRecipe, sampleRecipe(), { format: 2 }],
] as const)('the %s', (noun, read, value, change) => {
  test('is read as it was written', () => {
    expect(read(JSON.parse(JSON.stringify(value)), 'id-1')).toEqual(value);
  });

  test('is rejected with its id if a field does not match the schema', () => {
    const rejected = () => read({ ...value, ...change }, 'id-1');
    expect(rejected).toThrow(StoredValueError);
    const field = Object.keys(change)[0] ?? '';
    expect(rejected).toThrow(new RegExp(`^The stored ${noun} id-1 cannot be read .*${field}`));
  });
});

test('a plan of a packaging type that this version does not have is rejected', () => {
  expect(() => readStoredPlan({ ...samplePlan(), packaging_type: 'TARBALL' }, 'sha256:1')).toThrow(/plan sha256:1/);
});

test('triggers and files of a pipeline are lists', () => {
  expect(readTriggers([{ type: 'CVE_PATCH', context: 'CVE-1' }], 'p')).toEqual([
    { type: 'CVE_PATCH', context: 'CVE-1' },
  ]);
  expect(() => readTriggers([{ type: 'WISH' }], 'p')).toThrow(/triggers of pipeline p/);
  expect(readMetadataFiles([file], 'p')).toEqual([file]);
  expect(() => readMetadataFiles([{ ...file, digest: 'x' }], 'p')).toThrow(/metadata of pipeline p/);
});

test('the recipes of the library match the stored schema', async () => {
  const recipes = await loadRecipes(new URL('../../products/', import.meta.url).pathname);
  for (const recipe of recipes)
    expect(readStoredRecipe(JSON.parse(JSON.stringify(recipe)), recipe.key)).toEqual(recipe);
  expect(recipes.length).toBeGreaterThan(0);
});

test('an inspection names the listing of its archive', () => {
  expect(contentsOfInspection(sampleInspection('x'))).toEqual([digestOf('listing x')]);
});

test('the mark of a rewritten certificate in an inspection is true or absent', () => {
  const certificate = {
    name: 'acme',
    file: 'rootfs/usr/local/share/ca-certificates/acme.crt',
    in_rootfs: true,
    pem: 'PEM',
    fingerprint: '00',
    subject: 'CN=Acme',
    subject_hash: '0',
    not_after: '2036-01-01T00:00:00Z',
    rewritten: true,
  };
  const inspection = { ...sampleInspection('x'), certificates: [certificate] };
  expect(readStoredInspection(inspection, 'c')).toEqual(inspection);
  const other = { ...inspection, certificates: [{ ...certificate, rewritten: 'no' }] };
  expect(() => readStoredInspection(other, 'c')).toThrow(/inspection of customization c .*rewritten/);
});

describe('an artifact with a root for each registry', () => {
  const [one, other] = [soleRoot(artifactAt(digestOf('1'))), soleRoot(artifactAt(digestOf('2')))];
  const artifact = { ...sampleArtifact(), roots: { by_registry: { r1: one, r2: other } } };

  test('returns the root of each registry', () => {
    expect(rootFor(readStoredArtifact(artifact, 'x'), 'r2')).toEqual(other);
    expect(listRoots(artifact)).toEqual([one, other]);
    expect(contentsOfArtifact(artifact)).toEqual([digestOf('1'), digestOf('2')]);
  });

  test('has no root for another registry, and no root for all', () => {
    expect(() => rootFor(artifact, 'r3')).toThrow('r3');
    expect(() => soleRoot(artifact)).toThrow();
  });
});
