// The OpenAPI 3.1 document, made from the contract: what the server checks and what it documents cannot differ.
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

/** Makes the document. Equal for equal contracts: it is committed and compared. */
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
        'Requests applications, customizes what they are built from, and tells what was released. The organization is the one of the access token.',
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
          description: 'An access token, exchanged for an API token. It is good for half an hour.',
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
  'X-Request-Id': { description: 'Names the request in the log; yours when you sent one.', schema: { type: 'string' } },
  ETag: {
    description: 'Entity tag of the thing as it is shown here: strong, in double quotes.',
    schema: { type: 'string' },
  },
  'Idempotent-Replayed': {
    description: 'true when this is the answer of an earlier request with the same Idempotency-Key.',
    schema: { type: 'string', enum: ['true'] },
  },
  Location: { description: 'Path of what was created.', schema: { type: 'string', format: 'uri-reference' } },
};

const TAG_LIST = { type: 'string', maxLength: 4096, pattern: '^(\\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$' };

const CONDITIONS: Json = {
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description:
      'Names this request of yours for 24 hours: sent again with it, the request is answered as it was the first time, and done once. Rejections are not kept.',
    schema: { type: 'string', minLength: 1, maxLength: IDEMPOTENCY_KEY_LENGTH_MAX, pattern: '^[!-~]+$' },
  },
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    required: false,
    description:
      'Entity tags of the thing as you read it, or *: it is changed only when nobody has changed it since. What the service itself observes, such as `last_checked_at`, moves the tag and does not count here. Weak tags match nothing.',
    schema: TAG_LIST,
    example: '"5f1d7a84db00d2fc"',
  },
  IfNoneMatch: {
    name: 'If-None-Match',
    in: 'header',
    required: false,
    description: 'Entity tags of what you hold: 304 and no body when one of them is still the thing’s.',
    // What is malformed is passed over, as RFC 9110, section 13.1.2 lets a server do: the answer is whole then.
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
      // Several values in one parameter, separated by commas, or the parameter several times.
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
    responses[304] = { description: 'It is what you hold.', headers: { 'X-Request-Id': id, ETag } };
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
  400: 'The request is not valid; every violation is named.',
  401: 'The token is missing, not valid or expired.',
  403: 'The role of the token does not allow this.',
  404: 'There is nothing at this address that the organization may see.',
  409: 'It is still in use, or a limit is reached.',
  412: 'The application has not been released yet, or the thing is no longer the one that If-Match names.',
  413: 'The body is too large.',
  415: 'The media type of the body is not taken here.',
  422: 'The Idempotency-Key was used for another request.',
  429: 'Too many attempts, or too many uploads at the same time; Retry-After says how long to wait.',
  500: 'Something went wrong in the service.',
  503: 'The service cannot do this at the moment; Retry-After says when to try again.',
};

function problemResponses(schemas: Schemas): Json {
  const entries = Object.entries(PROBLEM_DESCRIPTIONS).map(([status, description]) => {
    const schema = schemas.of(status === '400' ? ConstraintsViolationsError : Problem);
    const example = problemExample(Number(status));
    return [`Problem${status}`, { description, content: { [PROBLEM_CONTENT_TYPE]: { schema, example } } }];
  });
  return Object.fromEntries(entries);
}
