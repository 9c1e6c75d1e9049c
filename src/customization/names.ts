// The names that an entry may have: valid in every file system, readable, and allowed in an image.
import { partsOf } from '../tar/path.ts';
import { hasBadBytes } from '../tar/text.ts';
import { DEPTH_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX } from './limits.ts';

// C0, DEL and C1 controls; bidirectional marks, embeddings, overrides and isolates (Unicode, UAX #9); line and paragraph separators. Each
// of them can make a name look like another name.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/**
 * Folders of the machine: the runtime mounts file systems there when a container starts, so an image's files in them would be hidden or
 * harmful.
 */
const MACHINE_FOLDERS = new Set(['proc', 'sys', 'dev', 'run', 'tmp']);

/** Returns the fault of a file name, or undefined. */
function textProblem(name: string): string | undefined {
  if (hasBadBytes(name)) return 'the name is not UTF-8';
  if (CONTROL.test(name)) return 'the name holds a control character';
  if (BIDI.test(name)) return 'the name holds a character that changes the direction of writing';
  return undefined;
}

/** Returns the fault of a name as it is in the archive. `..` is not checked here, because the tar reader rejects it. */
export function nameProblem(name: string): string | undefined {
  if (name.startsWith('/'))
    return 'the name is absolute; names begin with customization.yaml, rootfs/, scripts/ or chart/';
  const problem = textProblem(name);
  if (problem !== undefined) return problem;
  if (Buffer.byteLength(name) > PATH_BYTES_MAX) return `the path is longer than ${PATH_BYTES_MAX} bytes`;
  const parts = partsOf(name);
  if (parts.length > DEPTH_MAX) return `the path is deeper than ${DEPTH_MAX} folders`;
  if (parts.some((part) => Buffer.byteLength(part) > NAME_BYTES_MAX))
    return `a name in the path is longer than ${NAME_BYTES_MAX} bytes`;
  if (parts.some((part) => part.startsWith('.wh.')))
    return 'names that begin with .wh. hide files in image layers and are not allowed';
  return undefined;
}

/** Whether a path of the image is in a folder of the machine. */
export function isMachinePath(path: string): boolean {
  return MACHINE_FOLDERS.has(path.split('/', 1)[0] ?? '');
}

/**
 * Returns the fault of a symbolic link's target, or undefined. `path` is the path of the link in the image: a relative target starts from
 * its folder.
 */
export function targetProblem(path: string, target: string): string | undefined {
  const problem = textProblem(target);
  if (problem !== undefined) return problem.replace('the name', 'the target');
  if (Buffer.byteLength(target) > PATH_BYTES_MAX) return `the target is longer than ${PATH_BYTES_MAX} bytes`;
  if (target.startsWith('/')) return climbsAbove(0, target) ? above : undefined;
  return climbsAbove(partsOf(path).length - 1, target) ? above : undefined;
}

const above = 'the target climbs above the root of the image';

function climbsAbove(depth: number, target: string): boolean {
  let at = depth;
  for (const part of partsOf(target)) {
    at += part === '..' ? -1 : 1;
    if (at < 0) return true;
  }
  return false;
}
