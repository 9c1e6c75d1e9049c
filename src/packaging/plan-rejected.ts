// The error for an application that cannot be planned as requested.
import type { FailureCause } from '../contract/vocabulary.ts';

export type RejectedPlan = {
  cause_kind: Extract<FailureCause, 'BUILD_ERROR' | 'CUSTOMIZATION_BUILD_ERROR'>;
  /** The customization that causes the rejection. Absent if the rejection has another cause. */
  customization?: { id: string; version: number };
};

/** Thrown if an application cannot be planned and a retry does not help. The message is for people who read the pipeline. */
export class PlanRejected extends Error {
  override readonly name = 'PlanRejected';
  readonly rejected: RejectedPlan;

  constructor(message: string, rejected: RejectedPlan) {
    super(message);
    this.rejected = rejected;
  }
}
