// What an endpoint is, as data: one value from which the server's checks, the client, the CLI and the OpenAPI document follow.
import type { Static, TObject, TSchema } from 'typebox';
import type { Tag } from './tags.ts';
import type { Digest, Role } from './vocabulary.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';

/** Who may call: users of these roles, or anybody without a token. */
export type Access = readonly Role[] | 'PUBLIC';

export const READERS = ['OWNER', 'EDITOR', 'VIEWER'] as const satisfies Access;
export const WRITERS = ['OWNER', 'EDITOR'] as const satisfies Access;
export const OWNERS = ['OWNER'] as const satisfies Access;

/** A demand on several fields at once, told against `field`. Nested fields are written with dots. */
export type Rule =
  | { kind: 'needs'; field: string; needs: string }
  | { kind: 'exclusive'; fields: readonly string[] }
  | { kind: 'only-when'; field: string; other: string; is: string };

/** An upload: one file and text fields beside it, in any order. */
export type Multipart = { fields: TObject; file: { required: boolean; description: string } };

/**
 * How a call that went well is answered. A created thing is told by `Location`: the path with `{id}` in it; it has a body
 * only for what is shown this once. 202: it was put on the list of things to do.
 */
export type Success =
  /** `fleeting`: another each time it is asked for, so that it has no entity tag and nobody on the way keeps it. */
  | { status: 200; description: string; body: TSchema; fleeting?: true }
  | { status: 201; description: string; location: string; body?: TSchema }
  | { status: 202 | 204; description: string };

/** The rejections an endpoint documents, beside those that all have (500, 503) and all that take an access token (401, 403). */
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

/** Declares an endpoint; its operation name is its key in the table of endpoints. */
export function defineEndpoint<const E extends EndpointDefinition>(endpoint: E): E {
  return endpoint;
}

/** An uploaded archive that was inspected and is held as content: what a handler gets in place of the bytes. */
export type UploadedArchive = {
  digest: Digest;
  size_bytes: number;
  /** As the client named it, cleaned to one safe name. */
  filename: string;
  /** What the inspection found, as it is stored. */
  inspection: Record<string, unknown>;
};

type Flat<T> = T extends unknown ? { [K in keyof T]: T[K] } : never;
// biome-ignore lint/complexity/noBannedTypes: the neutral element of an intersection
type Nothing = {};
type Part<E, K extends string> = E extends { [P in K]: infer S extends TSchema } ? Static<S> : Nothing;
type UploadPart<E> = E extends { multipart: { fields: infer F extends TObject; file: { required: infer R } } }
  ? Static<F> & (R extends true ? { file: UploadedArchive } : { file?: UploadedArchive })
  : Nothing;

/** What a handler gets: path parameters, query parameters and body fields in one flat value, validated, defaults filled. */
export type InputOf<E> = Flat<Part<E, 'params'> & Part<E, 'query'> & Part<E, 'body'> & Part<E, 'form'> & UploadPart<E>>;

/** What a handler answers: the body, or the identifier of what was created (with its body), or nothing. */
export type OutputOf<E> = E extends { success: { status: 201; body: infer S extends TSchema } }
  ? Flat<{ id: string } & Static<S>>
  : E extends { success: { body: infer S extends TSchema } }
    ? Static<S>
    : E extends { success: { status: 201 } }
      ? { id: string }
      : // biome-ignore lint/suspicious/noConfusingVoidType: it is what such a handler returns
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

/** What a caller gives: the same, with defaults optional and a file's bytes in place of its inspection. */
export type CallOf<E> = Flat<Part<E, 'params'> & QueryInput<E> & Part<E, 'body'> & Part<E, 'form'> & UploadInput<E>>;
