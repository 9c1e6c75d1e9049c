// A process that pins one image, and prints the result and its peak memory. Usage: `pin-child.ts CONTENT-FOLDER
// ROOT-AS-JSON`.
import { readFileSync } from 'node:fs';
import { openDiskContent } from '../../src/content/disk.ts';
import { pinBaseImage } from '../../src/packaging/image/base-image-pin.ts';
import { DEBIAN_12 } from '../debian-files.ts';
import { NAME } from './hostile-images.ts';

const [directory = '', root = ''] = process.argv.slice(2);
const content = await openDiskContent(directory);
const end = await pinBaseImage({ workspace: { content }, root: JSON.parse(root), name: NAME, system: DEBIAN_12 }).then(
  () => 'pinned',
  (error: unknown) => String(error),
);
// Uses VmHWM, because getrusage(2) also counts memory of the parent from before this program began.
const peakKib = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
process.stdout.write(JSON.stringify({ end, peakMib: Math.round(peakKib / 1024) }));
