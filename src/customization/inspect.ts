// Checks an uploaded archive as a stream: nothing is unpacked, and all violations are reported together.
import { createHash } from 'node:crypto';
import type { TarEntry, TarHeader } from '../tar/entry.ts';
import { TarError } from '../tar/errors.ts';
import { printable } from '../tar/header.ts';
import type { ListingEntry } from '../tar/listing-entry.ts';
import { readArchive } from './archive.ts';
import { DECLARATION, Entries, hookOf, isCertificatePath, leftOutMessage, type Taken } from './archive-rules.ts';
import { holdsPrivateKey } from './certificates.ts';
import { isTemplatePath } from './chart-templates.ts';
import { checkContents } from './contents.ts';
import { fieldOf, Violations } from './errors.ts';
import { checkGrowth, GzipError, type Progress } from './gunzip.ts';
import { type Inspection, ROOTFS } from './inspection.ts';
import {
  CERTIFICATE_BYTES_MAX,
  CERTIFICATE_FILES_BYTES_MAX,
  CERTIFICATES_MAX,
  CHART_TEMPLATES_BYTES_MAX,
  ENTRIES_MAX,
  EXPANDED_BYTES_MAX,
  FOLDERS_MAX,
  NAMES_BYTES_MAX,
  SECONDS_AHEAD_MAX,
} from './limits.ts';
import { MachineAttributes } from './machine-attributes.ts';
import { Warnings } from './warnings.ts';

/** Limit of attributes that one warning names. */
const ATTRIBUTES_SHOWN_MAX = 5;

export type InspectOptions = {
  /** Certificates that have expired at this time are skipped. */
  now?: Date;
};

/**
 * Reads a customization's archive to its end and returns its inspection. Throws ArchiveRejected with all violations, after the
 * rest of the bytes has been read and dropped. An error of the stream itself is passed on.
 */
export async function inspectArchive(
  bytes: AsyncIterable<Uint8Array>,
  { now = new Date() }: InspectOptions = {},
): Promise<Inspection> {
  const iterator = bytes[Symbol.asyncIterator]();
  const inspector = new Inspector(Math.floor(now.getTime() / 1000) + SECONDS_AHEAD_MAX);
  const progress: Progress = { compressed: 0, expanded: 0 };
  try {
    await inspector.read(unclosed(iterator), progress);
  } catch (error) {
    inspector.tellBroken(error);
    await drop(iterator);
  }
  inspector.warnOfMachine();
  const contents = checkContents(inspector.taken, { violations: inspector.violations, now });
  if (inspector.violations.any) throw inspector.violations.rejection();
  return { size: progress.compressed, expanded: progress.expanded, epoch: inspector.newest, ...contents };
}

/** Returns an iterable over the iterator. A loop that ends early does not close the iterator, so that the content store can read on. */
function unclosed(iterator: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }) };
}

/** Reads and drops the rest. The archive is already rejected, so errors of the stream are ignored. */
async function drop(iterator: AsyncIterator<Uint8Array>): Promise<void> {
  try {
    while ((await iterator.next()).done !== true);
  } catch {
    return;
  }
}

/** Thrown when the archive exceeds a limit, to stop reading: each further entry would take time. */
class TooMuch extends Error {}

class Inspector {
  readonly violations = new Violations();
  readonly taken: Taken = { entries: new Entries(), contents: new Map(), warnings: new Warnings() };
  /** The newest time of all entries, in seconds since 1970. Times after `#timeMax` do not count. */
  newest = 0;
  readonly #timeMax: number;
  readonly #ofMachine = new MachineAttributes();
  #count = 0;
  /** The largest file so far. The violation names it if all files together are too large. */
  #largest: { path: string; size: number } | undefined;
  #namesBytes = 0;
  #certificates = 0;
  #certificateBytes = 0;
  #templateBytes = 0;
  /** The bytes of all files, holes included. */
  #unpackedBytes = 0;

  constructor(timeMax: number) {
    this.#timeMax = timeMax;
  }

  async read(bytes: AsyncIterable<Uint8Array>, progress: Progress): Promise<void> {
    const onBadEntry = (error: TarError) => {
      this.#countOne();
      this.#tell(error);
    };
    for await (const entry of readArchive(bytes, { onBadEntry, progress })) {
      this.#countOne(entry);
      const leftOut = leftOutMessage(entry.header);
      if (leftOut !== undefined) {
        this.taken.warnings.add('FILE_SKIPPED', leftOut, entry.header.path);
        continue;
      }
      const problem = this.taken.entries.problem(entry);
      if (problem === undefined) await this.#take(entry);
      else if (problem !== '') this.violations.add(fieldOf(entry.name), problem);
    }
    // The tar does not contain the holes of sparse files, so gunzip did not count them.
    checkGrowth({ compressed: progress.compressed, expanded: this.#unpackedBytes });
  }

  /** Adds a violation for the error that stopped the reading. Rethrows errors that are not the archive's fault. */
  tellBroken(error: unknown): void {
    if (error instanceof TarError) this.#tell(error);
    else if (error instanceof GzipError) this.violations.add('file', error.message + this.#largestFor(error));
    else if (error instanceof TooMuch) this.violations.add('file', `the archive holds ${error.message}`);
    else throw error;
  }

  warnOfMachine(): void {
    for (const message of this.#ofMachine.messages) this.taken.warnings.add('ATTRIBUTES_LOST', message);
  }

  #largestFor({ code }: GzipError): string {
    if ((code !== 'RATIO' && code !== 'TOO_LARGE') || this.#largest === undefined) return '';
    const { path, size } = this.#largest;
    return `; the largest file so far is ${printable(path)} (${size} bytes)`;
  }

  #tell({ reason, path }: TarError): void {
    this.violations.add(path === undefined ? 'file' : fieldOf(path), reason);
  }

  #countOne(entry?: TarEntry): void {
    this.#count += 1;
    this.#namesBytes += Buffer.byteLength(entry?.name ?? '') + Buffer.byteLength(entry?.header.target ?? '');
    this.#unpackedBytes += entry?.header.size ?? 0;
    if (entry !== undefined && entry.header.size > (this.#largest?.size ?? 0)) this.#largest = entry.header;
    if (this.#unpackedBytes > EXPANDED_BYTES_MAX)
      throw new TooMuch(`files of more than ${EXPANDED_BYTES_MAX} bytes in total, including the holes of sparse files`);
    if (this.#count > ENTRIES_MAX) throw new TooMuch(`more than ${ENTRIES_MAX} entries`);
    if (this.#namesBytes > NAMES_BYTES_MAX) throw new TooMuch(`names of more than ${NAMES_BYTES_MAX} bytes in total`);
  }

  async #take({ header, body }: TarEntry): Promise<void> {
    const { path, type, mode, uid, gid, size, target, mtime } = header;
    if (mtime <= this.#timeMax) this.newest = Math.max(this.newest, mtime);
    if (path === '') return;
    const entry: ListingEntry = { path, type, mode, uid, gid, size };
    if (target !== undefined) entry.target = target;
    if (type === 'hardlink') Object.assign(entry, this.taken.entries.linked(target ?? ''));
    if (type === 'file') entry.digest = await this.#digest(entry, body);
    this.#warnOfAttributes(header);
    this.taken.entries.add(entry);
    if (this.taken.entries.folderCount > FOLDERS_MAX) throw new TooMuch(`entries in more than ${FOLDERS_MAX} folders`);
  }

  #warnOfAttributes({ path, type, xattrs = {}, otherAttributes = [], acl }: TarHeader): void {
    // A hard link has the same attributes as its file, which was already checked.
    if (type === 'hardlink') return;
    const all = [...Object.keys(xattrs), ...otherAttributes, ...(acl === undefined ? [] : ['access list'])];
    const names = all.filter((name) => !this.#ofMachine.count(name));
    if (names.length === 0) return;
    const shown = names.slice(0, ATTRIBUTES_SHOWN_MAX).map(printable).join(', ');
    const more = names.length > ATTRIBUTES_SHOWN_MAX ? ` and ${names.length - ATTRIBUTES_SHOWN_MAX} more` : '';
    const remedy = names.includes('security.capability') ? ' Set capabilities with setcap in scripts/final.' : '';
    const message = `Extended attributes are left out: ${shown}${more}.${remedy}`;
    this.taken.warnings.add('ATTRIBUTES_LOST', message, path);
  }

  async #digest(entry: ListingEntry, body: AsyncIterable<Uint8Array>): Promise<`sha256:${string}`> {
    const hash = createHash('sha256');
    const kept: Buffer[] = [];
    const keep = this.#wanted(entry);
    for await (const part of body) {
      hash.update(part);
      // The first bytes of a file are enough to detect a private key.
      if (keep || kept.length === 0) kept.push(Buffer.from(keep ? part : part.subarray(0, 4096)));
    }
    const held = Buffer.concat(kept);
    if (keep) this.taken.contents.set(entry.path, held);
    else if (entry.path.startsWith(ROOTFS) && holdsPrivateKey(held.toString('latin1'))) {
      const message = 'The file holds a private key, which everyone who can pull the image will have.';
      this.taken.warnings.add('PRIVATE_KEY_KEPT', message, entry.path);
    }
    return `sha256:${hash.digest('hex')}`;
  }

  #wanted({ path, size }: ListingEntry): boolean {
    if (path === DECLARATION || hookOf(path) !== undefined) return true;
    if (isTemplatePath(path)) return this.#isWithinTemplates(size);
    if (!isCertificatePath(path) || size > CERTIFICATE_BYTES_MAX) return false;
    this.#certificates += 1;
    this.#certificateBytes += size;
    return this.#certificates <= CERTIFICATES_MAX && this.#certificateBytes <= CERTIFICATE_FILES_BYTES_MAX;
  }

  #isWithinTemplates(size: number): boolean {
    this.#templateBytes += size;
    return this.#templateBytes <= CHART_TEMPLATES_BYTES_MAX;
  }
}
