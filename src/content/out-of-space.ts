// Detects errors of a full disk or an exceeded disk quota. Such an error is a fault of the installation, and not of the build
// in which it occurs.

/** Error codes of the system for a full disk or an exceeded disk quota (errno(3)), and PostgreSQL's disk_full. */
const CODES = new Set(['ENOSPC', 'EDQUOT', '53100']);

/** The messages of the C library for these codes. Programs print them. */
const WORDS = /No space left on device|Disk quota exceeded/i;

/** The most nested causes that are searched. No error in Larder has more. */
const CAUSES_MAX = 8;

/**
 * Returns the code for a full disk from an error of the system or the database, or undefined. Ignores errors that contain the
 * answer of a registry, because a registry may send any code.
 */
export function outOfSpaceCode(error: unknown): string | undefined {
  for (const { code, status } of chainOf(error)) {
    if (status === undefined && code !== undefined && CODES.has(code)) return code;
  }
  return undefined;
}

/**
 * Whether an error contains a program's message about a full disk. This alone is not sufficient, because scripts of
 * customizations can print the same message.
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
