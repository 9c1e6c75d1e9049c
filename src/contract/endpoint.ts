// The definition of an endpoint as data. The server's checks, the client, the command line and the OpenAPI document are
// derived from it.
import type { Static, TObject, TSchema } from 'typebox';
import type { Tag } from './tags.ts';
import type { Digest, Role } from './vocabulary.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';

/** Who may call the endpoint: users with these roles, or everybody without a token. */
export type Access = readonly Role[] | 'PUBLIC';

export const READERS = ['OWNER', 'EDITOR', 'VIEWER'] as const satisfies Access;
export const WRITERS = ['OWNER', 'EDITOR'] as const satisfies Access;
export const OWNERS = ['OWNER'] as const satisfies Access;

/**
 * A rule on several fields together. If a request breaks the rule, the error names the field in `field`, or the second field of
 * `fields`. Nested fields are written with dots.
 */
export type Rule =
  | { kind: 'needs'; field: string; needs: string }
  | { kind: 'exclusive'; fields: readonly string[] }
  | { kind: 'only-when'; field: string; other: string; is: string };

/** An upload: one file and text fields, in any order. */
export type Multipart = { fields: TObject; file: { required: boolean; description: string } };

/**
 * The answer to a successful call. 201: `Location` is the path of the created resource, in which `{id}` is replaced by its
 * id. The body then contains only values that no later answer contains. 202: the work was enqueued.
 */
export type Success =
  /** `fleeting`: the answer differs from request to request. So it has no entity tag and is not cached. */
  | { status: 200; description: string; body: TSchema; fleeting?: true }
  | { status: 201; description: string; location: string; body?: TSchema }
  | { status: 202 | 204; description: string };

/**
 * The statuses of rejections that an endpoint declares. Every endpoint can also answer 500 and 503. Every endpoint that
 * requires an access token can also answer 401 and 403.
 */
export type ProblemStatus = 400 | 401 | 403 | 404 | 409 | 412 | 413 | 415 | 429;

export type EndpointDefinition = {
  method: Method;
  path: `/${string}`;
  summary: string;
  description?: string;
  tag: Tag;
  access: Access;
  params?: TObject;
  query?: TObject;
  /** A JSON body. */
  body?: TSchema;
  /** A body of type application/x-www-form-urlencoded. */
  form?: TObject;
  multipart?: Multipart;
  rules?: readonly Rule[];
  success: Success;
  problems: readonly ProblemStatus[];
};

/** Declares an endpoint. The name of its operation is its key in the table of endpoints. */
export function defineEndpoint<const E extends EndpointDefinition>(endpoint: E): E {
  return endpoint;
}

/** An uploaded archive that was inspected and stored as content. A handler gets this object instead of the bytes. */
export type UploadedArchive = {
  digest: Digest;
  size_bytes: number;
  /** The client's file name, without folders and unsafe characters. */
  filename: string;
  /** The result of the inspection, as stored. */
  inspection: Record<string, unknown>;
};

type Flat<T> = T extends unknown ? { [K in keyof T]: T[K] } : never;
// biome-ignore lint/complexity/noBannedTypes: the neutral element of an intersection
type Nothing = {};
type Part<E, K extends string> = E extends { [P in K]: infer S extends TSchema } ? Static<S> : Nothing;
type UploadPart<E> = E extends { multipart: { fields: infer F extends TObject; file: { required: infer R } } }
  ? Static<F> & (R extends true ? { file: UploadedArchive } : { file?: UploadedArchive })
  : Nothing;

/**
 * The input of a handler: path parameters, query parameters and body fields in one flat object. They are validated, and
 * defaults are set.
 */
export type InputOf<E> = Flat<Part<E, 'params'> & Part<E, 'query'> & Part<E, 'body'> & Part<E, 'form'> & UploadPart<E>>;

/** The result of a handler: the body, the id of the created resource (with the body, if there is one), or nothing. */
export type OutputOf<E> = E extends { success: { status: 201; body: infer S extends TSchema } }
  ? Flat<{ id: string } & Static<S>>
  : E extends { success: { body: infer S extends TSchema } }
    ? Static<S>
    : E extends { success: { status: 201 } }
      ? { id: string }
      : // biome-ignore lint/suspicious/noConfusingVoidType: a handler without a body returns void
        void;

type DefaultedKeys<P> = { [K in keyof P]: P[K] extends { default: unknown } ? K : never }[keyof P];
type QueryInput<E> = E extends { query: infer Q extends TObject }
  ? Omit<Static<Q>, Extract<DefaultedKeys<Q['properties']>, keyof Static<Q>>> &
      Partial<Pick<Static<Q>, Extract<DefaultedKeys<Q['properties']>, keyof Static<Q>>>>
  : Nothing;

/** A file as a client sends it. */
export type UploadSource = { filename: string; bytes: Blob };
type UploadInput<E> = E extends { multipart: { fields: infer F extends TObject; file: { required: infer R } } }
  ? Static<F> & (R extends true ? { file: UploadSource } : { file?: UploadSource })
  : Nothing;

/**
 * The arguments of a client's call. They are like InputOf, but parameters with defaults are optional, and a file is given as
 * bytes.
 */
export type CallOf<E> = Flat<Part<E, 'params'> & QueryInput<E> & Part<E, 'body'> & Part<E, 'form'> & UploadInput<E>>;
