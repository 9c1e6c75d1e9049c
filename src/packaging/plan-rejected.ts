// An application that cannot be planned as it was asked for.
import type { FailureCause } from '../contract/vocabulary.ts';

export type RejectedPlan = {
  cause_kind: Extract<FailureCause, 'BUILD_ERROR' | 'CUSTOMIZATION_BUILD_ERROR'>;
  /** The customization that is the reason, where one is. */
  customization?: { id: string; version: number };
};

/** Planning again changes nothing. The message is for the person who reads the pipeline. */
export class PlanRejected extends Error {
  override readonly name = 'PlanRejected';
  readonly rejected: RejectedPlan;

  constructor(message: string, rejected: RejectedPlan) {
    super(message);
    this.rejected = rejected;
  }
}
