// Plan: the input of a packaging. Every input is pinned by digest. docs/decisions/0027 explains its structure.
import { ChartPlan } from './chart-plan.ts';
import { ImagePlan } from './image-plan.ts';
import { type ReadStored, storedValue } from './stored-value.ts';

/**
 * One type for each packaging type. Jobs read only fields that all types have: `product`, `operating_system`, `base`,
 * `packages`, `customizations`, `tests`. If a type lacks one of these fields, the jobs do not compile.
 */
export type Plan = ImagePlan | ChartPlan;

/** The plan of one packaging type. */
export type PlanOf<T extends Plan['packaging_type']> = Extract<Plan, { packaging_type: T }>;

/** One reader for each packaging type. So an error names a field of the right schema. */
const readers: { [T in Plan['packaging_type']]: ReadStored<PlanOf<T>> } = {
  CONTAINER_IMAGE: storedValue('plan', ImagePlan),
  HELM_CHART: storedValue('plan', ChartPlan),
};

/** Reads a plan from its content. `id` is the digest of the content. */
export const readStoredPlan: ReadStored<Plan> = (value, id) => {
  const { packaging_type: type } = (value ?? {}) as { packaging_type?: unknown };
  const read = Object.entries(readers).find(([known]) => known === type)?.[1] ?? readers.CONTAINER_IMAGE;
  return read(value, id);
};
