// The errors of this folder: the rejection of an uploaded archive, with all violations, and the conflict of a customization with an image.
import { printable } from '../tar/header.ts';
import { VIOLATIONS_MAX } from './limits.ts';

/** Receives a violation of the declaration; the line is absent if the violation concerns the whole document. */
export type Tell = (line: number | undefined, message: string) => void;

/** `field` is `file` for the archive itself and `file:PATH` for an entry. */
export type Violation = { field: string; message: string };

/** Returns the field of an entry of the uploaded file. The path is as in the archive, without a leading `./`. */
export function fieldOf(path: string): string {
  return `file:${printable(path.replace(/^(\.\/+)+(?=.)/, ''))}`;
}

/** The rejection of an uploaded archive. */
export class ArchiveRejected extends Error {
  override readonly name = 'ArchiveRejected';
  readonly violations: Violation[];
  /** The number of violations that are not listed. */
  readonly more: number;

  constructor(violations: Violation[], more: number) {
    super(`the archive is rejected: ${violations[0]?.message ?? ''}`);
    this.violations = violations;
    this.more = more;
  }
}

export type CustomizationErrorCode =
  | 'NOT_A_FOLDER'
  | 'IN_THE_WAY'
  | 'OUTSIDE_IMAGE'
  | 'LINK_LOOP'
  | 'TWICE'
  | 'USER_UNKNOWN'
  | 'GROUP_UNKNOWN'
  | 'USER_TAKEN'
  | 'ARCHIVE_CHANGED';

/** A customization that cannot be applied to this image. The message is for the author of the customization. */
export class CustomizationError extends Error {
  override readonly name = 'CustomizationError';
  readonly code: CustomizationErrorCode;
  /** The path in the image, without a leading `/`. */
  readonly path?: string;

  constructor(code: CustomizationErrorCode, message: string, path?: string) {
    super(message);
    this.code = code;
    if (path !== undefined) this.path = path;
  }
}

/** The `field` of violations that concern the archive as a whole. */
const ARCHIVE = 'file';

/** Collects violations up to the limit and counts the rest. Violations of the archive as a whole are listed first. */
export class Violations {
  readonly #ofArchive: Violation[] = [];
  readonly #ofEntries: Violation[] = [];
  #more = 0;

  add(field: string, message: string): void {
    const list = field === ARCHIVE ? this.#ofArchive : this.#ofEntries;
    if (list.length < VIOLATIONS_MAX) list.push({ field, message });
    else this.#more += 1;
  }

  get any(): boolean {
    return this.#ofArchive.length + this.#ofEntries.length > 0;
  }

  rejection(): ArchiveRejected {
    const all = [...this.#ofArchive, ...this.#ofEntries];
    const more = this.#more + Math.max(0, all.length - VIOLATIONS_MAX);
    return new ArchiveRejected(all.slice(0, VIOLATIONS_MAX), more);
  }
}
