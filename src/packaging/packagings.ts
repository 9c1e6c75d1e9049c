// The table of packagings. All code outside this folder gets a packaging from this table.
import type { PackagingType } from '../contract/vocabulary.ts';
import type { Plan, PlanOf } from '../plan/plan.ts';
import { chartPackaging } from './chart/chart-packaging.ts';
import { imagePackaging } from './image/image-packaging.ts';
import type { Packaging } from './packaging.ts';

/** One entry for each member of the type Plan. A plan without a packaging does not compile. */
const packagings = {
  CONTAINER_IMAGE: imagePackaging,
  HELM_CHART: chartPackaging,
} satisfies { [T in Plan['packaging_type']]: Packaging<PlanOf<T>> };

/** Returns the packaging of a plan. */
export function packagingOf(plan: Pick<Plan, 'packaging_type'>): Packaging<Plan> {
  return packagings[plan.packaging_type];
}

/** Returns the packaging of a type, or undefined if the API has the type but Larder does not implement it. */
export function findPackaging(type: PackagingType): Packaging<Plan> | undefined {
  return Object.hasOwn(packagings, type) ? packagings[type as Plan['packaging_type']] : undefined;
}
