// An application that cannot be planned as it was asked for.
import type { FailureCause } from '../contract/vocabulary.ts';

export type RefusedPlan = {
  cause_kind: Extract<FailureCause, 'BUILD_ERROR' | 'CUSTOMIZATION_BUILD_ERROR'>;
  /** The customization that is the reason, where one is. */
  customization?: { id: string; version: number };
};

/** Planning again changes nothing. The message is for the person who reads the pipeline. */
export class PlanRefused extends Error {
  override readonly name = 'PlanRefused';
  readonly refused: RefusedPlan;

  constructor(message: string, refused: RefusedPlan) {
    super(message);
    this.refused = refused;
  }
}
