// Runs the suite of packagings on each entry of the table. Each entry has a fixture of its own.
import { openChartFixture } from '../../test/fixtures/chart-packaging.ts';
import { openImageFixture } from '../../test/fixtures/image-packaging.ts';
import { type PackagingFixture, testPackaging } from '../../test/suites/packaging-conformance.ts';
import type { Plan } from '../plan/plan.ts';

/** Typed so that a packaging without a fixture does not compile. */
const fixtures = {
  CONTAINER_IMAGE: openImageFixture,
  HELM_CHART: openChartFixture,
} satisfies Record<Plan['packaging_type'], () => Promise<PackagingFixture>>;

for (const [type, open] of Object.entries(fixtures)) testPackaging(type as Plan['packaging_type'], open);
