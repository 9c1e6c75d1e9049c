// Validates the query, the body, and the rules on both, so that one answer lists all violations.
import type { FastifyRequest } from 'fastify';
import type { ContentStore } from '../../content/content.ts';
import type { EndpointDefinition } from '../../contract/endpoint.ts';
import type { Principal } from '../../identity/principal.ts';
import { invalid, Rejection } from '../answer/problems.ts';
import { hasBody } from './body-bytes.ts';
import { formReader, jsonReader } from './json-body.ts';
import { parameterReader, type Read } from './parameters.ts';
import { ruleViolations } from './rules.ts';
import { type Upload, uploadReader } from './upload.ts';
import { withUploadSlot } from './upload-slots.ts';

/**
 * A valid request. `input` stores the bytes of an upload as content. `drop` discards them if the request is rejected later.
 */
export type ValidatedRequest = {
  input(): Promise<Record<string, unknown>>;
  drop(): Promise<void>;
};

/** Where an upload is stored, and the caller, whose organization the upload counts for. */
export type Reader = { content: ContentStore; caller?: Pick<Principal, 'organization_id'> | undefined };

/** Throws Rejection: invalid-request with all violations, media-type, too-large, timeout, share-used-up or unavailable. */
export type RequestValidator = (request: FastifyRequest, reader: Reader) => Promise<ValidatedRequest>;

type BodyKind = { mediaType: string; read: (request: FastifyRequest, reader: Reader) => Promise<Body> };
type Body = Read & Partial<Pick<Upload, 'more' | 'keep' | 'drop'>>;

/** Compiles the validator of an endpoint. */
export function validatorOf(endpoint: EndpointDefinition): RequestValidator {
  const readQuery = parameterReader(endpoint.query);
  const kind = bodyKind(endpoint);
  return async (request, reader) => {
    const query = readQuery(request.query as Record<string, unknown>);
    const body = await readBody(request, reader, kind);
    const values = { ...query.values, ...body.values };
    const given = { ...(request.query as object), ...values };
    const rules = ruleViolations(endpoint.rules ?? [], given);
    const reported = new Set([...query.violations, ...body.violations].map(({ field }) => field));
    const violations = [...query.violations, ...body.violations, ...rules.filter(({ field }) => !reported.has(field))];
    const drop = async () => body.drop?.();
    if (violations.length > 0) {
      await drop();
      throw invalid(violations, { more: body.more ?? 0 });
    }
    return { drop, input: () => withFile(values, body) };
  };
}

async function withFile(values: Record<string, unknown>, body: Body): Promise<Record<string, unknown>> {
  const file = await body.keep?.();
  return file === undefined ? values : { ...values, file };
}

function bodyKind({ body, form, multipart }: EndpointDefinition): BodyKind | undefined {
  if (multipart !== undefined) {
    const read = uploadReader(multipart);
    return {
      mediaType: 'multipart/form-data',
      read: async (request, { content, caller }) => {
        const receive = () => read(request, content);
        if (!hasBody(request.raw)) return await receive();
        // All callers without an organization share the slots of one organization.
        const holder = { organization_id: caller?.organization_id ?? '', address: request.ip };
        return await withUploadSlot({ content, holder }, receive);
      },
    };
  }
  if (form !== undefined) {
    const read = formReader(form);
    return { mediaType: 'application/x-www-form-urlencoded', read: (request) => read(request.raw) };
  }
  if (body === undefined) return undefined;
  const read = jsonReader(body);
  return { mediaType: 'application/json', read: (request) => read(request.raw) };
}

const NO_BODY: Body = { values: {}, violations: [] };

/** Reads the body. If no body was sent, its required fields are reported as missing. */
async function readBody(request: FastifyRequest, reader: Reader, kind: BodyKind | undefined): Promise<Body> {
  if (kind === undefined) return NO_BODY;
  if (hasBody(request.raw)) requireMediaType(request, kind.mediaType);
  return await kind.read(request, reader);
}

/** Checks the media type without its parameters (RFC 9110, section 8.3). JSON and forms must be UTF-8. */
function requireMediaType(request: FastifyRequest, expected: string): void {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '').toLowerCase().split(';');
  const charset = parameters.map((one) => one.trim()).find((one) => one.startsWith('charset='));
  const foreign = charset !== undefined && !/^charset="?(utf-8|us-ascii)"?$/.test(charset);
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (type.trim() === expected && !foreign && encoding === 'identity') return;
  throw new Rejection('media-type', { detail: `The body should be ${expected}, in UTF-8 and not compressed.` });
}
