// The error of builds: which step of a build failed, whose fault it is, and a message for the person who reads it in the UI.
import type { FailureCause } from '../contract/vocabulary.ts';
import { visibleText } from './visible-text.ts';

export type BuildErrorOptions = {
  /** The step as a person would name it: `packages`, `customization 1f0c… v2: scripts/install`. */
  step: string;
  cause_kind: FailureCause;
  /** The customization that failed, if one did: the others of the pipeline are not to blame. */
  customization?: { id: string; version: number };
  cause?: unknown;
};

/** A build that cannot succeed as it was asked for; trying again changes nothing. Temporary faults are thrown as they are. */
export class BuildError extends Error {
  override readonly name = 'BuildError';
  readonly step: string;
  readonly cause_kind: FailureCause;
  readonly customization: { id: string; version: number } | undefined;

  constructor(message: string, { step, cause_kind, customization, cause }: BuildErrorOptions) {
    // Messages name files of images and quote what programs print.
    super(visibleText(message), cause === undefined ? {} : { cause });
    this.step = visibleText(step);
    this.cause_kind = cause_kind;
    this.customization = customization;
  }
}
