// Runs the suite of packagings on each entry of the table. Each entry has its own fixture.
import { openChartFixture } from '../../test/fixtures/chart-packaging.ts';
import { openImageFixture } from '../../test/fixtures/image-packaging.ts';
import { type PackagingFixture, testPackaging } from '../../test/suites/packaging-conformance.ts';
import type { Plan } from '../plan/plan.ts';

/** The type makes sure that a packaging without a fixture does not compile. */
const fixtures = {
  CONTAINER_IMAGE: openImageFixture,
  HELM_CHART: openChartFixture,
} satisfies Record<Plan['packaging_type'], () => Promise<PackagingFixture>>;

for (const [type, open] of Object.entries(fixtures)) testPackaging(type as Plan['packaging_type'], open);
