// Detects errors of a full disk or a used-up quota: a fault of the installation, not of the build in which it appears.

/** Error codes for a full disk or a used-up quota: of the system (errno(3)), and PostgreSQL's disk_full. */
const CODES = new Set(['ENOSPC', 'EDQUOT', '53100']);

/** The messages of the C library for these codes, as programs print them. */
const WORDS = /No space left on device|Disk quota exceeded/i;

/** Limit of nested causes that are searched; no error in Larder has more. */
const CAUSES_MAX = 8;

/**
 * Returns the code for a full disk from an error of the system or the database, if it has one. Ignores errors with the answer of a
 * registry, which may contain any code.
 */
export function outOfSpaceCode(error: unknown): string | undefined {
  for (const { code, status } of chainOf(error)) {
    if (status === undefined && code !== undefined && CODES.has(code)) return code;
  }
  return undefined;
}

/**
 * Whether an error has a program's message about a full disk. Scripts of customizations can print it too, so it is not sufficient
 * alone.
 */
export function saysOutOfSpace(error: unknown): boolean {
  return chainOf(error).some(({ message }) => WORDS.test(message));
}

type Link = { message: string; code?: string; status?: unknown };

function chainOf(error: unknown): Link[] {
  const links: Link[] = [];
  for (let at = error; at instanceof Error && links.length < CAUSES_MAX; at = at.cause) {
    const { message, code, status } = at as Error & { code?: unknown; status?: unknown };
    links.push({ message, status, ...(typeof code === 'string' && { code }) });
  }
  return links;
}
