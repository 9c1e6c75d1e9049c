// Generates the OpenAPI 3.1 document from the contract with which the server validates requests.
import type { TObject } from 'typebox';
import type { EndpointDefinition } from '../../contract/endpoint.ts';
import { endpoints } from '../../contract/endpoints.ts';
import { IDEMPOTENCY_KEY_LENGTH_MAX } from '../../contract/limits.ts';
import { ConstraintsViolationsError, Problem } from '../../contract/problem.ts';
import { TAGS } from '../../contract/tags.ts';
import { VERSION } from '../../version.ts';
import { PROBLEM_CONTENT_TYPE } from '../answer/problems.ts';
import { answersThing, readEndpointOf } from '../read-endpoints.ts';
import { takesKey } from '../request/idempotency.ts';
import { exampleOf, problemExample, requestExample } from './openapi-examples.ts';
import { linksFor } from './openapi-links.ts';
import { type Json, requestSchema, Schemas } from './openapi-schemas.ts';

const JSON_TYPE = 'application/json';

/**
 * Generates the document. The same contract always gives the same document, so that a test can compare it with the committed
 * file.
 */
export function openApiDocument(): Json {
  const schemas = new Schemas();
  const paths: Record<string, Json> = {};
  for (const [operation, endpoint] of Object.entries<EndpointDefinition>(endpoints)) {
    const path = paths[endpoint.path] ?? {};
    path[endpoint.method.toLowerCase()] = operationObject(operation, endpoint, schemas);
    paths[endpoint.path] = path;
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Larder',
      version: VERSION,
      summary: 'An organization’s own application catalog.',
      description:
        'Request applications, customize them, and list their releases. The access token determines the organization.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ access_token: [] }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      securitySchemes: {
        access_token: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'An access token, obtained in exchange for an API token. It expires after 30 minutes.',
        },
      },
      responses: problemResponses(schemas),
      headers: HEADERS,
      parameters: CONDITIONS,
      schemas: schemas.sorted(),
    },
  };
}

const HEADERS: Json = {
  'X-Request-Id': {
    description: 'Identifies the request in the log; the value that you sent, if you sent one.',
    schema: { type: 'string' },
  },
  ETag: {
    description: 'Strong entity tag of the resource as shown here, in double quotes.',
    schema: { type: 'string' },
  },
  'Idempotent-Replayed': {
    description: 'true when this is the answer of an earlier request with the same Idempotency-Key.',
    schema: { type: 'string', enum: ['true'] },
  },
  Location: { description: 'Path of the created resource.', schema: { type: 'string', format: 'uri-reference' } },
};

const TAG_LIST = { type: 'string', maxLength: 4096, pattern: '^(\\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$' };

const CONDITIONS: Json = {
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description:
      'Identifies this request for 24 hours: if it is sent again with the same key, it is not executed again but answered with the first answer. Rejections are not stored.',
    schema: { type: 'string', minLength: 1, maxLength: IDEMPOTENCY_KEY_LENGTH_MAX, pattern: '^[!-~]+$' },
  },
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    required: false,
    description:
      'Entity tags of the resource as you read it, or *. The change is made only if the resource has not changed since. Fields that the service itself observes, such as `last_checked_at`, are ignored here although they change the tag. Weak tags match nothing.',
    schema: TAG_LIST,
    example: '"5f1d7a84db00d2fc"',
  },
  IfNoneMatch: {
    name: 'If-None-Match',
    in: 'header',
    required: false,
    description:
      'Entity tags of the representations that you hold: the answer is 304 without a body if one of them is current.',
    // The server ignores malformed tags and answers 200, as RFC 9110, section 13.1.2 permits. So the schema accepts any text.
    schema: { type: 'string' },
  },
};

function conditionsOf(endpoint: EndpointDefinition): Json[] {
  if (takesKey(endpoint)) return [{ $ref: '#/components/parameters/IdempotencyKey' }];
  if (answersThing(endpoint)) return [{ $ref: '#/components/parameters/IfNoneMatch' }];
  return isConditional(endpoint) ? [{ $ref: '#/components/parameters/IfMatch' }] : [];
}

function isConditional(endpoint: EndpointDefinition): boolean {
  return readEndpointOf(endpoint, Object.values(endpoints)) !== undefined;
}

function operationObject(operation: string, endpoint: EndpointDefinition, schemas: Schemas): Json {
  const body = requestBody(endpoint, schemas);
  const parameters = [
    ...parametersOf(endpoint.params, 'path', schemas),
    ...parametersOf(endpoint.query, 'query', schemas),
    ...conditionsOf(endpoint),
  ];
  return {
    operationId: operation,
    summary: endpoint.summary,
    ...(endpoint.description === undefined ? {} : { description: endpoint.description }),
    tags: [endpoint.tag],
    ...(endpoint.access === 'PUBLIC' ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body === undefined ? {} : { requestBody: body }),
    responses: responsesOf(endpoint, schemas),
  };
}

function parametersOf(declared: TObject | undefined, place: 'path' | 'query', schemas: Schemas): Json[] {
  const required = new Set(declared?.required ?? []);
  return Object.entries(declared?.properties ?? {}).map(([name, schema]) => {
    const { description, repeatable, ...shape } = schemas.inline(requestSchema(schema));
    const isList = shape['type'] === 'array';
    return {
      name,
      in: place,
      description,
      required: place === 'path' || (required.has(name) && !('default' in shape)),
      // The values are separated by commas, or the parameter is repeated.
      ...(isList ? { style: 'form', explode: repeatable === true } : {}),
      schema: shape,
    };
  });
}

function requestBody({ body, form, multipart, rules }: EndpointDefinition, schemas: Schemas): Json | undefined {
  if (body !== undefined) {
    const example = requestExample(body, rules);
    const schema = schemas.of(requestSchema(body, rules));
    return { required: true, content: { [JSON_TYPE]: { schema, example } } };
  }
  if (form !== undefined) {
    const schema = schemas.inline(requestSchema(form));
    return { content: { 'application/x-www-form-urlencoded': { schema, example: exampleOf(form) } } };
  }
  if (multipart === undefined) return undefined;
  const { properties = {}, ...fields } = schemas.inline(requestSchema(multipart.fields, rules));
  const file = { type: 'string', contentMediaType: 'application/gzip', description: multipart.file.description };
  const schema = {
    ...fields,
    properties: { file, ...(properties as Json) },
    ...(multipart.file.required ? { required: ['file'] } : {}),
  };
  const encoding = { file: { contentType: 'application/gzip' }, filter: { contentType: JSON_TYPE } };
  const example = { file: 'The bytes of the archive.', ...(requestExample(multipart.fields, rules) as Json) };
  return { required: multipart.file.required, content: { 'multipart/form-data': { schema, encoding, example } } };
}

function responsesOf(endpoint: EndpointDefinition, schemas: Schemas): Json {
  const { success } = endpoint;
  const headers: Json = { 'X-Request-Id': { $ref: '#/components/headers/X-Request-Id' } };
  if (answersThing(endpoint)) headers['ETag'] = { $ref: '#/components/headers/ETag' };
  if (takesKey(endpoint)) headers['Idempotent-Replayed'] = { $ref: '#/components/headers/Idempotent-Replayed' };
  if (success.status === 201) headers['Location'] = { $ref: '#/components/headers/Location' };
  const links = linksFor(endpoint);
  const responses: Json = {
    [success.status]: {
      description: success.description,
      headers,
      ...('body' in success && success.body !== undefined
        ? { content: { [JSON_TYPE]: { schema: schemas.of(success.body), example: exampleOf(success.body) } } }
        : {}),
      ...(links === undefined ? {} : { links }),
    },
  };
  if (answersThing(endpoint)) {
    const { ETag, 'X-Request-Id': id } = headers;
    responses[304] = {
      description: 'The representation that you hold is current.',
      headers: { 'X-Request-Id': id, ETag },
    };
  }
  const everywhere = endpoint.access === 'PUBLIC' ? [500, 503] : [401, 403, 500, 503];
  const conditional = isConditional(endpoint) ? [412] : takesKey(endpoint) ? [400, 422] : [];
  const shared = endpoint.multipart === undefined ? [] : [429];
  for (const status of new Set([...endpoint.problems, ...conditional, ...shared, ...everywhere].sort())) {
    responses[status] = { $ref: `#/components/responses/Problem${status}` };
  }
  return responses;
}

const PROBLEM_DESCRIPTIONS: Record<number, string> = {
  400: 'The request is invalid; each violation is listed.',
  401: 'The token is missing, invalid or expired.',
  403: 'The role of the token does not allow this.',
  404: 'The path names nothing that the organization can access.',
  409: 'The resource is still in use, or a limit is reached.',
  412: 'The application has not been released yet, or the resource has changed since the state that If-Match names.',
  413: 'The body is too large.',
  415: 'The media type of the body is not supported.',
  422: 'The Idempotency-Key was used for another request.',
  429: 'Too many attempts, or too many uploads at the same time; Retry-After states how long to wait.',
  500: 'Internal error.',
  503: 'Temporarily unavailable; Retry-After states when to try again.',
};

function problemResponses(schemas: Schemas): Json {
  const entries = Object.entries(PROBLEM_DESCRIPTIONS).map(([status, description]) => {
    const schema = schemas.of(status === '400' ? ConstraintsViolationsError : Problem);
    const example = problemExample(Number(status));
    return [`Problem${status}`, { description, content: { [PROBLEM_CONTENT_TYPE]: { schema, example } } }];
  });
  return Object.fromEntries(entries);
}
