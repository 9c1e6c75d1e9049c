// Reads an upload: fields and one archive in any order. All violations are reported together.
import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import type { ContentStore } from '../../content/content.ts';
import type { Multipart, UploadedArchive } from '../../contract/endpoint.ts';
import { PART_BYTES_MAX, PARTS_MAX } from '../../contract/limits.ts';
import type { Violation } from '../../contract/problem.ts';
import { ARCHIVE_BYTES_MAX } from '../../customization/limits.ts';
import { Rejection } from '../answer/problems.ts';
import { MULTIPART_OVERHEAD_BYTES_MAX, PART_HEADERS_MAX } from '../limits.ts';
import { type ReceivedArchive, receiveArchive } from './archive.ts';
import { hasBody, tooLarge } from './body-bytes.ts';
import { compileCheck } from './violations.ts';

/** A parsed upload. `keep` stores the bytes of the archive as content, and `drop` discards them. */
export type Upload = {
  values: Record<string, unknown>;
  violations: Violation[];
  /** How many violations are omitted. */
  more: number;
  /** Stores the archive as content and returns its description. Returns undefined if the request has no archive. */
  keep(): Promise<UploadedArchive | undefined>;
  /** Discards the archive's bytes. */
  drop(): Promise<void>;
};

export type UploadReader = (request: FastifyRequest, content: ContentStore) => Promise<Upload>;

/** Compiles a reader for the uploads of an endpoint. */
export function uploadReader(declared: Multipart): UploadReader {
  const checkFields = compileCheck(declared.fields, { whole: 'body' });
  return async (request, content) => {
    const form = await readForm(request, { content, declared });
    const violations = [...form.violations, ...checkFields(form.values)];
    if (declared.file.required && form.archive === undefined && !violations.some(({ field }) => field === 'file')) {
      violations.push({ field: 'file', message: 'It is required.' });
    }
    return {
      values: form.values,
      violations: [...violations, ...(form.archive?.violations ?? [])],
      more: form.archive?.more ?? 0,
      keep: async () => form.archive?.keep(),
      drop: async () => form.archive?.drop(),
    };
  };
}

type Form = {
  values: Record<string, unknown>;
  violations: Violation[];
  seen: Set<string>;
  archive?: ReceivedArchive;
};

type FormOptions = { content: ContentStore; declared: Multipart };

async function readForm(request: FastifyRequest, options: FormOptions): Promise<Form> {
  const form: Form = { values: {}, violations: [], seen: new Set() };
  if (!hasBody(request.raw)) return form;
  if (Number(request.headers['content-length']) > ARCHIVE_BYTES_MAX + MULTIPART_OVERHEAD_BYTES_MAX) {
    throw tooLarge(ARCHIVE_BYTES_MAX);
  }
  try {
    for await (const part of partsOf(request)) await readPart(part, form, options);
  } catch (error) {
    await form.archive?.drop();
    throw toRejection(error);
  }
  return form;
}

/**
 * Yields every part as a stream, with or without a file name. The name of a part decides whether it is the archive or a
 * field.
 */
function partsOf(request: FastifyRequest): AsyncIterable<MultipartFile> {
  const options = {
    isPartAFile: () => true,
    throwFileSizeLimit: false,
    limits: { fileSize: ARCHIVE_BYTES_MAX, parts: PARTS_MAX, headerPairs: PART_HEADERS_MAX },
  };
  return request.parts(options) as AsyncIterable<MultipartFile>;
}

async function readPart(part: MultipartFile, form: Form, options: FormOptions): Promise<void> {
  const name = part.fieldname ?? '';
  const isFirst = !form.seen.has(name);
  form.seen.add(name);
  if (!isFirst) return rejectPart(part, form, 'It should be given once.');
  if (name === 'file') {
    form.archive = await receiveArchive(part, options.content);
    return;
  }
  if (!Object.hasOwn(options.declared.fields.properties, name)) {
    return rejectPart(part, form, 'Unknown field.');
  }
  const text = await readText(part);
  if (text === undefined) return reject(form, name, `It should be UTF-8 of at most ${PART_BYTES_MAX / 1024} KiB.`);
  const { type } = options.declared.fields.properties[name] as { type?: string };
  if (type !== 'object') form.values[name] = text;
  else readJson(form, name, text);
}

function readJson(form: Form, name: string, text: string): void {
  try {
    form.values[name] = JSON.parse(text);
  } catch {
    reject(form, name, 'It should be JSON.');
  }
}

async function rejectPart(part: MultipartFile, form: Form, message: string): Promise<void> {
  reject(form, part.fieldname || 'body', message);
  for await (const _chunk of part.file);
}

function reject(form: Form, field: string, message: string): void {
  if (!form.violations.some((one) => one.field === field)) form.violations.push({ field, message });
}

/** Returns the text of a part, or undefined if it is too long or not UTF-8. Always reads the part to its end. */
async function readText(part: MultipartFile): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of part.file as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= PART_BYTES_MAX) chunks.push(chunk);
  }
  if (length > PART_BYTES_MAX) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    return undefined;
  }
}

/** Converts an error of the parser to a rejection. Returns any other error unchanged. */
function toRejection(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'FST_PARTS_LIMIT') return bodyRejection(`It should have at most ${PARTS_MAX} parts.`);
  if (code === 'FST_MP_PREMATURE_CLOSE') return bodyRejection('It ended early.');
  if (code === 'FST_PROTO_VIOLATION') return bodyRejection('The name of a part is not a valid field name.');
  // The message "The needle cannot…" is about a boundary of more than 252 characters. RFC 2046 allows 70 characters.
  if (
    error instanceof Error &&
    /^(Unexpected end of multipart|Part terminated early|Multipart:|Malformed|The needle cannot)/.test(error.message)
  ) {
    return bodyRejection('It should be complete multipart/form-data with a boundary.');
  }
  return error;
}

function bodyRejection(message: string): Rejection {
  return new Rejection('invalid-request', { violations: [{ field: 'body', message }] });
}
