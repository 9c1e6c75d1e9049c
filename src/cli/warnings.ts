// Prints the warnings of a customization below its line in a table.
import type { CustomizationDetailed } from '../contract/customization.ts';
import type { Io } from './io.ts';
import { clean, say } from './output.ts';

/** Writes a line for each warning. */
export function sayWarnings(io: Io, { warnings, more_warnings_count: more }: CustomizationDetailed): void {
  for (const { message, path } of warnings) {
    say(io, `warning: ${path === undefined ? '' : `${clean(path)}: `}${clean(message)}`);
  }
  if (more !== undefined) say(io, `and ${more} more warnings`);
}
