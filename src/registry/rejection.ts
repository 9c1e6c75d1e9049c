// Errors of the registry, with the codes and statuses of the specification, and their JSON body.

/**
 * The error codes of distribution-spec 1.1, "Error Codes", and two codes of Larder for faults that the client has not caused.
 */
const REJECTIONS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  UNAVAILABLE: 503,
  UNKNOWN: 500,
} as const satisfies Record<string, number>;

export type RejectionCode = keyof typeof REJECTIONS;

type RejectionOptions = {
  /** The status of the answer, if it differs from the usual status of the code. */
  status?: number;
  detail?: unknown;
  headers?: Record<string, string | string[]>;
  cause?: unknown;
};

/** Thrown to answer a request with an error. The user of the client reads the message. */
export class Rejection extends Error {
  readonly code: RejectionCode;
  readonly status: number;
  readonly detail: unknown;
  readonly headers: Record<string, string | string[]>;

  constructor(code: RejectionCode, message: string, options: RejectionOptions = {}) {
    super(message, { cause: options.cause });
    this.name = 'Rejection';
    this.code = code;
    this.status = options.status ?? REJECTIONS[code];
    this.detail = options.detail;
    this.headers = options.headers ?? {};
  }

  /** Returns the JSON body that clients parse (distribution-spec, "Error Codes"). `detail` may list several missing digests. */
  body(): string {
    const details = Array.isArray(this.detail) ? this.detail : [this.detail];
    const errors = details.map((detail) => ({
      code: this.code,
      message: this.message,
      ...(detail !== undefined && { detail }),
    }));
    return JSON.stringify({ errors });
  }
}

/**
 * Returns the error for an unknown repository. A repository of another organization gets the same error, so that nobody
 * learns that it exists.
 */
export function nameUnknown(): Rejection {
  return new Rejection('NAME_UNKNOWN', 'repository name not known to registry');
}

/** Returns the error for a client that pushes or deletes in a repository to which Larder releases. */
export function ownedByLarder(name: string): Rejection {
  const [namespace = ''] = name.split('/', 1);
  return denied(
    `${name} belongs to Larder: clients cannot delete anything from it, and can push only signatures and other referrers of its images. Push your own images to another repository of ${namespace}/, such as ${namespace}/own/${name.slice(name.lastIndexOf('/') + 1)}`,
  );
}

/** Returns the error for a client that pushes to a name that is reserved for Larder. */
export function reserved(name: string): Rejection {
  const [namespace = ''] = name.split('/', 1);
  return denied(
    `${name} is a reserved name: only Larder creates repositories under ${namespace}/containers/, ${namespace}/charts/ and ${namespace}/appliances/. Push to another repository of ${namespace}/, such as ${namespace}/own/${name.slice(name.lastIndexOf('/') + 1)}`,
  );
}

/**
 * Returns the error for a request that the caller's role or namespace does not allow. The error does not depend on whether
 * the repository exists.
 */
export function denied(message = 'requested access to the resource is denied'): Rejection {
  return new Rejection('DENIED', message);
}
