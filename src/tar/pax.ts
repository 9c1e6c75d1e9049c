// PAX extension records: `LENGTH KEY=VALUE\n`. LENGTH is the length of the whole record (POSIX.1-2017, pax, "pax Extended
// Header").
import { TarError } from './errors.ts';
import { ownerRemedy } from './header.ts';

export type PaxRecords = Map<string, Buffer>;

/** The most records in one header. Writers set about ten, and one for each extended attribute. */
const RECORD_COUNT_MAX = 256;

/**
 * Reads the body of an extension header. If a key occurs twice, the later record counts. Throws EXTENSION for malformed
 * records.
 */
export function parsePax(body: Buffer): PaxRecords {
  const records: PaxRecords = new Map();
  const sparseMap: Buffer[] = [];
  let count = 0;
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const digits = space < 0 ? '' : body.toString('latin1', at, space);
    if (!/^[1-9][0-9]{0,9}$/.test(digits)) throw malformed('a record has no length');
    const end = at + Number(digits);
    const equals = body.indexOf(0x3d, space);
    if (end > body.length || equals < 0 || equals >= end || equals === space + 1 || body[end - 1] !== 0x0a) {
      throw malformed('a record has a wrong length');
    }
    const key = body.toString('utf8', space + 1, equals);
    const value = body.subarray(equals + 1, end - 1);
    at = end;
    if (key === SPARSE_PART[sparseMap.length % 2]) {
      sparseMap.push(value);
      continue;
    }
    if (++count > RECORD_COUNT_MAX) throw malformed(`it has more than ${RECORD_COUNT_MAX} records`);
    records.set(key, value);
  }
  if (sparseMap.length > 0) records.set('GNU.sparse.map', Buffer.from(sparseMap.join(',')));
  return records;
}

/**
 * The two keys that version 0.0 of sparse files repeats for each part of a file. They are converted to the single record of
 * version 0.1.
 */
const SPARSE_PART = ['GNU.sparse.offset', 'GNU.sparse.numbytes'];

/** Writes records sorted by key, so that equal records give equal bytes. */
export function formatPax(records: PaxRecords): Buffer {
  const keys = [...records.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return Buffer.concat(keys.map((key) => formatRecord(key, records.get(key) ?? Buffer.alloc(0))));
}

function formatRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  // The length includes its own digits. Adding them may make it one digit longer.
  let length = rest.length + String(rest.length).length;
  if (String(length).length !== String(rest.length).length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** Returns the value of a record as a whole number that is not negative. Returns undefined if the record is absent. */
export function paxInteger(records: PaxRecords, key: string, path: string): number | undefined {
  const text = records.get(key)?.toString('latin1');
  if (text === undefined) return undefined;
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new TarError(
    key === 'size' ? 'SIZE' : 'EXTENSION',
    `the extension header's ${key} is not a valid number${ownerRemedy(key)}`,
    path,
  );
}

/** Returns the value of a time record in seconds, rounded down. */
export function paxSeconds(records: PaxRecords, key: string, path: string): number | undefined {
  const text = records.get(key)?.toString('latin1');
  if (text === undefined) return undefined;
  if (!/^-?[0-9]{1,15}(\.[0-9]*)?$/.test(text)) {
    throw new TarError('EXTENSION', `the extension header's ${key} is not a time`, path);
  }
  return Math.floor(Number(text));
}

function malformed(what: string): TarError {
  return new TarError('EXTENSION', `an extension header is malformed: ${what}`);
}
