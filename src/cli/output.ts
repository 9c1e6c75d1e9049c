// Prints answers: JSON for programs, tables and lines for people.
import type { Violation } from '../contract/problem.ts';
import type { Io } from './io.ts';

export type Column<T> = [heading: string, value: (row: T) => string | number | undefined];

/** Writes a line. */
export function say(io: Io, text: string): void {
  io.out.write(`${text}\n`);
}

/** Writes to standard error what a person can do next. Writes nothing if a program reads the answer. */
export function sayHint(io: Io, text: string): void {
  if ('isTTY' in io.out && io.out.isTTY === true) io.err.write(`${text}\n`);
}

/** Writes a value as indented JSON. */
export function sayJson(io: Io, value: unknown): void {
  say(io, JSON.stringify(value, null, 2));
}

/**
 * Writes rows below their headings, or a line if there are no rows. In a narrow terminal, a row continues on the next lines.
 */
export function sayTable<T>(io: Io, rows: readonly T[], columns: readonly Column<T>[]): void {
  const width = 'columns' in io.out && typeof io.out.columns === 'number' ? io.out.columns : undefined;
  say(io, tableOf(rows, columns, width));
}

const GAP = '  ';

/** Returns the table as text. `widthMax` is in characters. Columns that do not fit go to the next line, which is indented. */
export function tableOf<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  widthMax = Number.MAX_SAFE_INTEGER,
): string {
  if (rows.length === 0) return 'Nothing.';
  const cells = rows.map((row) => columns.map(([, value]) => clean(value(row))));
  const widths = columns.map(([heading], index) =>
    Math.max(heading.length, ...cells.map((line) => line[index]?.length ?? 0)),
  );
  const breaks = breaksOf(widths, widthMax);
  const lineOf = (line: string[]) =>
    line
      .map((cell, index) => (breaks.has(index) ? `\n${GAP}` : '') + cell.padEnd(widths[index] ?? 0) + GAP)
      .join('')
      .split('\n')
      .map((part) => part.trimEnd())
      .filter((part) => part !== '')
      .join('\n');
  return [columns.map(([heading]) => heading), ...cells].map(lineOf).join('\n');
}

/** Returns the indexes of the columns that begin a new line. */
function breaksOf(widths: readonly number[], widthMax: number): Set<number> {
  const breaks = new Set<number>();
  let at = 0;
  for (const [index, width] of widths.entries()) {
    if (index > 0 && at + width > widthMax) {
      breaks.add(index);
      at = GAP.length;
    }
    at += width + GAP.length;
  }
  return breaks;
}

/** Writes one resource, one field on a line. Undefined fields are omitted. */
export function sayFields(io: Io, fields: Record<string, string | number | boolean | undefined>): void {
  const known = Object.entries(fields).filter(([, value]) => value !== undefined);
  const width = Math.max(...known.map(([name]) => name.length));
  for (const [name, value] of known) say(io, `${name.padEnd(width)}  ${clean(String(value))}`);
}

/** Formats violations, one on a line. */
export function violationLines(violations: readonly Violation[]): string[] {
  return violations.map(({ field, message }) => `  ${clean(field)}: ${clean(message)}`);
}

/**
 * Removes control characters, because other people choose names, and control characters could move the cursor or change
 * colors.
 */
export function clean(value: string | number | undefined): string {
  return String(value ?? '').replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ');
}

/** Returns a time in the short form `2026-03-03 00:59`, from `2026-03-03T00:59:52.762Z`. */
export function shortTime(time: string | undefined): string {
  return time === undefined ? '' : time.slice(0, 16).replace('T', ' ');
}
