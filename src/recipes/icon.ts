// A product's icon: a small SVG next to its recipe, without scripts and external references.
import { createHash } from 'node:crypto';
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../contract/vocabulary.ts';

/**
 * The largest icon in bytes. It is enough for a few shapes. An image that was traced from a photograph is larger, and not
 * recognizable at 48 pixels.
 */
const ICON_BYTES_MAX = 32 * 1024;

export type Icon = {
  /** The name of the icon's file, next to recipe.yaml. */
  source: string;
  digest: Digest;
  size: number;
};

/** Parts that an SVG must not contain, because a browser would run them, load them or link to them. */
const FORBIDDEN: readonly [RegExp, string][] = [
  [/<!(?:DOCTYPE|ENTITY)/i, 'a document type'],
  [/<script\b/i, 'a script'],
  [/<foreignObject\b/i, 'a foreign object'],
  [/\son\w+\s*=/i, 'an event handler'],
  [/\b(?:href|src)\s*=/i, 'a reference'],
  [/url\(\s*['"]?(?!#)|@import/i, 'an address'],
];

/** Reads the icon in a recipe's folder. Returns the icon, or the reason for its rejection. */
export async function readIcon(folder: string, source: string): Promise<Icon | string> {
  const file = join(folder, source);
  const info = await lstat(file).catch(() => undefined);
  if (info === undefined) return `${source} does not exist`;
  if (!info.isFile()) return `${source} is not a regular file`;
  if (info.size > ICON_BYTES_MAX) return `${source} has more than ${ICON_BYTES_MAX} bytes`;
  const bytes = await readFile(file);
  const text = bytes.toString('utf8');
  if (!/^(?:<\?xml[^>]*\?>\s*)?<svg\b[^>]*\bviewBox=/.test(text.trimStart())) {
    return `${source} must be an SVG with a viewBox`;
  }
  const forbidden = FORBIDDEN.find(([pattern]) => pattern.test(text));
  if (forbidden) return `${source} must not contain ${forbidden[1]}`;
  return { source, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length };
}
