// Collects warnings for the uploader: their number is limited per kind, so that no kind hides another.
import type { CustomizationWarning, CustomizationWarningCode } from '../contract/customization-warning.ts';
import { printable } from '../tar/header.ts';
import { WARNINGS_BYTES_MAX, WARNINGS_OF_CODE_MAX } from './limits.ts';

export class Warnings {
  readonly #listed: CustomizationWarning[] = [];
  readonly #ofCode = new Map<CustomizationWarningCode, number>();
  #bytes = 0;
  /** The number of warnings that are not listed. */
  #more = 0;

  /** `path` is the entry's path in the archive. A repeated warning is listed once. */
  add(code: CustomizationWarningCode, message: string, path?: string): void {
    const warning = { code, message, ...(path === undefined ? {} : { path: printable(path) }) };
    const count = this.#ofCode.get(code) ?? 0;
    const bytes = Buffer.byteLength(warning.message) + Buffer.byteLength(warning.path ?? '');
    if (this.#isListed(warning)) return;
    if (count >= WARNINGS_OF_CODE_MAX || this.#bytes + bytes > WARNINGS_BYTES_MAX) {
      this.#more += 1;
      return;
    }
    this.#ofCode.set(code, count + 1);
    this.#bytes += bytes;
    this.#listed.push(warning);
  }

  get found(): { warnings: CustomizationWarning[]; more_warnings_count: number } {
    return { warnings: this.#listed, more_warnings_count: this.#more };
  }

  #isListed({ code, message, path }: CustomizationWarning): boolean {
    return this.#listed.some((one) => one.code === code && one.message === message && one.path === path);
  }
}

/** Returns a warning as one line, for logs. */
export function warningLine({ message, path }: CustomizationWarning): string {
  return path === undefined ? `warning: ${message}` : `warning: ${path}: ${message}`;
}
