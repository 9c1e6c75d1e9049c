// Uploads for tests. They are written byte by byte, with any parts in any order, so that they may be invalid.
import { Buffer } from 'node:buffer';

export type Part = { name: string; content: string | Uint8Array; filename?: string; type?: string };

const BOUNDARY = 'larder-test-boundary';

/** Returns the headers and body of a multipart/form-data request. */
export function formOf(...parts: Part[]): { headers: Record<string, string>; body: Buffer } {
  const pieces = parts.flatMap((part) => [Buffer.from(headOf(part)), Buffer.from(part.content), Buffer.from('\r\n')]);
  return {
    headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
    body: Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)]),
  };
}

function headOf({ name, filename, type }: Part): string {
  const file = filename === undefined ? '' : `; filename="${filename}"`;
  const kind = type === undefined ? '' : `content-type: ${type}\r\n`;
  return `--${BOUNDARY}\r\ncontent-disposition: form-data; name="${name}"${file}\r\n${kind}\r\n`;
}
