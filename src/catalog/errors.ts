// The errors of the catalog. Each has a code, and none depends on HTTP.

/** The codes. `http/answer/problems.ts` has the response for each. */
export const CATALOG_ERROR_CODES = [
  /** The organization can see no object with this id. Malformed ids, and ids of other organizations, get the same error. */
  'NOT_FOUND',
  /** The object was deleted. It can be read, but not changed. If it cannot even be read, the error is NOT_FOUND. */
  'DELETED',
  /** Values contradict each other or name an object that does not exist. `violations` lists them. */
  'INVALID',
  /** The filter names a product of which the catalog has no released application. */
  'NOT_RELEASED',
  /** The resource is shared or belongs to the installation, so this organization cannot change it. */
  'NOT_OWNED',
  /** The resource cannot be removed while applications use it. */
  'IN_USE',
  /** The pipeline did not fail, a newer pipeline succeeded, or the application was removed or has an open pipeline. */
  'NOT_RETRYABLE',
  'LIMIT_REACHED',
  /** The organization already has as many applications as its quota allows. */
  'QUOTA_REACHED',
] as const;
export type CatalogErrorCode = (typeof CATALOG_ERROR_CODES)[number];

/** One rejected value. `field` is its name in the request. */
export type Violation = { field: string; message: string };

export class CatalogError extends Error {
  override readonly name = 'CatalogError';
  readonly code: CatalogErrorCode;
  /** The violations. Empty unless the code is INVALID. */
  readonly violations: Violation[];
  /** The kind of the resource that was not found, if the code is NOT_FOUND. */
  readonly noun: string | undefined;

  constructor(code: CatalogErrorCode, message: string, violations: Violation[] = [], noun?: string) {
    super(message);
    this.code = code;
    this.violations = violations;
    this.noun = noun;
  }
}

/**
 * Returns the error for an id in a path. An id that never existed, a malformed id and an id of another organization all get
 * the same text, so that nobody can find out which ids exist.
 */
export function notFound(noun: string): CatalogError {
  return new CatalogError('NOT_FOUND', `The ${noun} was not found`, [], noun);
}

/** Throws INVALID if there is at least one violation. */
export function rejectViolations(violations: Violation[]): void {
  if (violations.length > 0) throw new CatalogError('INVALID', 'The request is invalid', violations);
}
