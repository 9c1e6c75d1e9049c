// The document with the reason for a release and its changes, for programs and for people.
import { expect, test } from 'vitest';
import { type PlanFacts, triggerInfo } from './trigger-info.ts';

const plan = {
  product: { key: 'redis', name: 'Redis', branch: '7.0', version: '7.0.15' },
  operating_system: 'debian-12',
  base: { name: 'base/debian:12', digest: `sha256:${'1'.repeat(64)}` as const },
  packages: [
    { name: 'redis-server', version: '5:7.0.15-1', size: 1 },
    { name: 'libssl3', version: '3.0.11', size: 1 },
  ],
  customizations: [{ id: 'c1', version: 1, epoch: 1 }],
  epoch: 1,
  image: { entrypoint: ['/a'] },
};
const facts = {
  pipeline_id: 'p1',
  triggered_at: '2026-11-21T03:04:05.678Z',
  triggers: [{ type: 'MANUAL_RUN' as const }],
  customization_names: new Map([['c2', 'Company basics']]),
  customization_warnings: new Map(),
};

test('the first release lists its packages and customizations', () => {
  const info = triggerInfo({ ...facts, plan, release: '7.0.15-debian-12-r0' });
  expect(info).not.toHaveProperty('previous');
  expect(info.release).toBe('7.0.15-debian-12-r0');
  expect(info.changes).toEqual({
    packages: {
      added: [
        { name: 'redis-server', version: '5:7.0.15-1' },
        { name: 'libssl3', version: '3.0.11' },
      ],
      removed: [],
      changed: [],
    },
    customizations: { added: [{ id: 'c1', version: 1 }], removed: [], changed: [] },
    recipe: false,
  });
  expect(info.reasons).toEqual([
    'A user requested the run.',
    'First release of Redis 7.0.15 on debian-12.',
    'Customization c1 was applied in version 1.',
  ]);
});

test('a later release lists its changes', () => {
  const next: PlanFacts = {
    ...plan,
    product: { ...plan.product, version: '7.0.16' },
    base: { ...plan.base, digest: `sha256:${'2'.repeat(64)}` },
    packages: [
      { name: 'redis-server', version: '5:7.0.16-1' },
      { name: 'libnew', version: '1' },
    ],
    customizations: [
      { id: 'c1', version: 2 },
      { id: 'c2', version: 1 },
    ],
  };
  const triggers = [{ type: 'CVE_PATCH' as const, context: 'CVE-2026-1234' }];
  const info = triggerInfo({ ...facts, triggers, plan: next, previous: { plan, release: '7.0.15-debian-12-r0' } });
  expect(info.previous).toEqual({ release: '7.0.15-debian-12-r0', version: '7.0.15' });
  expect(info.changes).toMatchObject({
    version: { from: '7.0.15', to: '7.0.16' },
    base_image: { name: 'base/debian:12', from: plan.base.digest, to: next.base.digest },
    packages: {
      added: [{ name: 'libnew', version: '1' }],
      removed: [{ name: 'libssl3', version: '3.0.11' }],
      changed: [{ name: 'redis-server', from: '5:7.0.15-1', to: '5:7.0.16-1' }],
    },
    customizations: { added: [{ id: 'c2', version: 1 }], changed: [{ id: 'c1', from: 1, to: 2 }] },
  });
  expect(info.reasons[0]).toBe('A known vulnerability is fixed: CVE-2026-1234.');
  expect(info.reasons).toContain('Redis changed from 7.0.15 to 7.0.16.');
  expect(info.reasons).toContain('Customization c1 changed from version 1 to 2.');
  expect(info.reasons).toContain('Customization Company basics was applied in version 1.');
});

test('warnings of customizations are listed with their version', () => {
  const warning = { code: 'WORLD_WRITABLE' as const, message: 'Every user can write to it.', path: 'rootfs/etc/a' };
  const found = { warnings: [warning], more_warnings_count: 3 };
  const info = triggerInfo({ ...facts, plan, customization_warnings: new Map([['c1', found]]) });
  expect(info.warnings).toEqual([{ customization_id: 'c1', customization_version: 1, ...warning }]);
  expect(info.more_warnings_count).toBe(3);
  expect(triggerInfo({ ...facts, plan })).toMatchObject({ warnings: [], more_warnings_count: 0 });
});

test('a changed recipe is listed; other times and another order of keys are not', () => {
  const turned = Object.fromEntries(Object.entries({ ...plan, epoch: 2 }).reverse()) as typeof plan;
  expect(triggerInfo({ ...facts, plan: turned, previous: { plan } }).changes.recipe).toBe(false);
  const changed = { ...plan, image: { entrypoint: ['/b'] } };
  const info = triggerInfo({ ...facts, plan: changed, previous: { plan } });
  expect(info.changes.recipe).toBe(true);
  expect(info.reasons).toEqual(['A user requested the run.', 'The recipe of Redis changed.']);
});

test('an artifact that names images tells which images changed, and why one is older', () => {
  const chart = (images: Record<string, string>): PlanFacts => ({
    ...{ product: plan.product, operating_system: plan.operating_system, base: plan.base },
    packages: [],
    customizations: [],
    registries: { r1: { images: Object.entries(images).map(([product, tag]) => ({ product, tag })) } },
  });
  const info = triggerInfo({
    ...facts,
    plan: chart({ redis: '7.0.16-r0', exporter: '1' }),
    previous: { plan: chart({ redis: '7.0.15-r0', shell: '12' }), release: '1.0.3' },
    failed_needs: [{ product_key: 'exporter', branch: '1', pipeline_id: 'p0', status: 'FAILED' }],
  });
  expect(info.changes).toMatchObject({
    recipe: false,
    images: {
      added: [{ name: 'exporter', version: '1' }],
      removed: [{ name: 'shell', version: '12' }],
      changed: [{ name: 'redis', from: '7.0.15-r0', to: '7.0.16-r0' }],
    },
  });
  expect(info.reasons).toEqual([
    'A user requested the run.',
    'The image of redis changed from 7.0.15-r0 to 7.0.16-r0.',
    'The image of exporter 1 was added.',
    'The image of shell 12 was removed.',
    'The pipeline p0 of exporter 1 is FAILED: the latest release of it is used.',
  ]);
});
