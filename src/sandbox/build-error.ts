// The error of builds: the step that failed, the cause, and a message for the user interface.
import type { FailureCause } from '../contract/vocabulary.ts';
import { visibleText } from './visible-text.ts';

export type BuildErrorOptions = {
  /** The failed step, in the words that people read: `packages`, `customization 1f0c… v2: scripts/install`. */
  step: string;
  cause_kind: FailureCause;
  /** The customization that caused the failure. Absent if the failure has another cause. */
  customization?: { id: string; version: number };
  cause?: unknown;
};

/**
 * The error of a build that cannot succeed with these inputs, so a retry is useless. Temporary faults are thrown as other
 * errors.
 */
export class BuildError extends Error {
  override readonly name = 'BuildError';
  readonly step: string;
  readonly cause_kind: FailureCause;
  readonly customization: { id: string; version: number } | undefined;

  constructor(message: string, { step, cause_kind, customization, cause }: BuildErrorOptions) {
    // Control characters are made visible, because messages contain file names of images and output of programs.
    super(visibleText(message), cause === undefined ? {} : { cause });
    this.step = visibleText(step);
    this.cause_kind = cause_kind;
    this.customization = customization;
  }
}
