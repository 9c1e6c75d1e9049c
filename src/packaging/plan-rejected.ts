// The error for an application that cannot be planned as requested.
import type { FailureCause } from '../contract/vocabulary.ts';

export type RejectedPlan = {
  cause_kind: Extract<FailureCause, 'BUILD_ERROR' | 'CUSTOMIZATION_BUILD_ERROR'>;
  /** The customization that causes the rejection, if any. */
  customization?: { id: string; version: number };
};

/** An application cannot be planned, and retrying does not help. The message is for people who read the pipeline. */
export class PlanRejected extends Error {
  override readonly name = 'PlanRejected';
  readonly rejected: RejectedPlan;

  constructor(message: string, rejected: RejectedPlan) {
    super(message);
    this.rejected = rejected;
  }
}
