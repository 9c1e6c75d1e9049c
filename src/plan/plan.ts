// Plan: the input of a packaging, with every input pinned by digest. docs/decisions/0027 explains its shape.
import { ChartPlan } from './chart-plan.ts';
import { ImagePlan } from './image-plan.ts';
import { type ReadStored, storedValue } from './stored-value.ts';

/**
 * One member for each packaging type, distinguished by `packaging_type`. Jobs read only what all members have: `product`,
 * `operating_system`, `base`, `packages`, `customizations`, `tests`. Jobs do not compile if a member lacks one of these.
 */
export type Plan = ImagePlan | ChartPlan;

/** The plans of a packaging type. */
export type PlanOf<T extends Plan['packaging_type']> = Extract<Plan, { packaging_type: T }>;

/** One reader for each member, so that an error names a field of the right one. */
const readers: { [T in Plan['packaging_type']]: ReadStored<PlanOf<T>> } = {
  CONTAINER_IMAGE: storedValue('plan', ImagePlan),
  HELM_CHART: storedValue('plan', ChartPlan),
};

/** Reads a plan from its content; `id` is the digest. */
export const readStoredPlan: ReadStored<Plan> = (value, id) => {
  const { packaging_type: type } = (value ?? {}) as { packaging_type?: unknown };
  const read = Object.entries(readers).find(([known]) => known === type)?.[1] ?? readers.CONTAINER_IMAGE;
  return read(value, id);
};
