// Plan: the input of a packaging, with every input pinned by digest. docs/decisions/0027 explains its shape.
import { type Static, Type } from 'typebox';
import { ImagePlan } from './image-plan.ts';
import { storedValue } from './stored-value.ts';

/**
 * One member for each packaging type, distinguished by `packaging_type`. Jobs read only what all members have: `product`,
 * `operating_system`, `base`, `packages`, `customizations`, `tests`. Jobs do not compile if a member lacks one of these.
 */
export const Plan = Type.Union([ImagePlan]);
export type Plan = Static<typeof Plan>;

/** The plans of a packaging type. */
export type PlanOf<T extends Plan['packaging_type']> = Extract<Plan, { packaging_type: T }>;

/** Reads a plan from its content; `id` is the digest. */
export const readStoredPlan = storedValue('plan', Plan);
