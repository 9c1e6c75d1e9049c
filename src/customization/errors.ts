// The errors of this folder: an archive at upload, with all that is wrong, and a customization that does not fit an image, later.
import { printable } from '../tar/header.ts';
import { VIOLATIONS_MAX } from './limits.ts';

/** Receives a violation of the declaration; the line is absent when the whole document is meant. */
export type Tell = (line: number | undefined, message: string) => void;

/** `field` is `file` for the archive itself and `file:PATH` for an entry. */
export type Violation = { field: string; message: string };

/** The field of an entry of the uploaded file; its name as in the archive, without `./` in front. */
export function fieldOf(path: string): string {
  return `file:${printable(path.replace(/^(\.\/+)+(?=.)/, ''))}`;
}

/** An uploaded archive that is not taken. */
export class ArchiveRejected extends Error {
  override readonly name = 'ArchiveRejected';
  readonly violations: Violation[];
  /** How many there are beside the listed ones. */
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

/** A customization that cannot be laid over this image. The message is for the person who made it. */
export class CustomizationError extends Error {
  override readonly name = 'CustomizationError';
  readonly code: CustomizationErrorCode;
  /** In the image, without `/` in front. */
  readonly path?: string;

  constructor(code: CustomizationErrorCode, message: string, path?: string) {
    super(message);
    this.code = code;
    if (path !== undefined) this.path = path;
  }
}

/** The field of what concerns the archive as a whole. */
const ARCHIVE = 'file';

/** Gathers violations up to the limit and counts the others. Those of the archive as a whole come first, however many its entries have. */
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
