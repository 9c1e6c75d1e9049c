// Every way the registry says no: the specification's error codes with their statuses, and the JSON body they share.

/** distribution-spec 1.1, "Error Codes", and two of ours for faults that are not the client's. */
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
  /** Where the code's own status is not the right one. */
  status?: number;
  detail?: unknown;
  headers?: Record<string, string | string[]>;
  cause?: unknown;
};

/** A request that is answered with an error. The message is for the person at the client. */
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

  /** The body that clients parse (distribution-spec, "Error Codes"). `detail` may name several things that are missing. */
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

/** A repository that is not there, or is another organization's: nobody can tell which. */
export function nameUnknown(): Rejection {
  return new Rejection('NAME_UNKNOWN', 'repository name not known to registry');
}

/** A push or delete by a client in a repository that Larder releases to. */
export function larders(name: string): Rejection {
  const [namespace = ''] = name.split('/', 1);
  return denied(
    `${name} belongs to Larder: clients delete nothing from it and push nothing to it but signatures and other referrers of its images. Push images of your own to another repository of ${namespace}/, such as ${namespace}/own/${name.slice(name.lastIndexOf('/') + 1)}`,
  );
}

/** A push by a client to a name that Larder gives. */
export function reserved(name: string): Rejection {
  const [namespace = ''] = name.split('/', 1);
  return denied(
    `${name} is not a name for images of your own: Larder makes the repositories under ${namespace}/containers/, ${namespace}/charts/ and ${namespace}/appliances/ itself. Push to another repository of ${namespace}/, such as ${namespace}/own/${name.slice(name.lastIndexOf('/') + 1)}`,
  );
}

/** What the caller's role or namespace does not allow, whether or not the repository exists. */
export function denied(message = 'requested access to the resource is denied'): Rejection {
  return new Rejection('DENIED', message);
}
