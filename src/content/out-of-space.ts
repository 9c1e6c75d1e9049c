// Whether an error says that a disk is full or a quota is used up: a fault of the installation, not of the build in which it appears.

/** The system's codes (errno(3)), and PostgreSQL's disk_full. */
const CODES = new Set(['ENOSPC', 'EDQUOT', '53100']);

/** The same in the words of the C library, as tools and programs print them. */
const WORDS = /No space left on device|Disk quota exceeded/i;

/** Causes within causes: more than any chain of ours. */
const CAUSES_MAX = 8;

/** The code, where the system or the database gave one. A registry's answer is no such word: it may say anything. */
export function outOfSpaceCode(error: unknown): string | undefined {
  for (const { code, status } of chainOf(error)) {
    if (status === undefined && code !== undefined && CODES.has(code)) return code;
  }
  return undefined;
}

/** Whether a program said so. Scripts of customizations can print these words, too: alone they prove nothing. */
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
