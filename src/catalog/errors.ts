// Errors of the catalog: a closed set of codes, independent of HTTP.

/** The code of an error; `http/answer/problems.ts` maps each to an answer. */
export const CATALOG_ERROR_CODES = [
  /** No object with this id is visible to the organization. Ids of other organizations and malformed ids get the same error. */
  'NOT_FOUND',
  /** The object was deleted: it can be read, but not changed. Clients that may not read it get NOT_FOUND. */
  'DELETED',
  /** The values contradict each other or refer to nothing; `violations` lists them. */
  'INVALID',
  /** The filter names a product without a released application in the catalog. */
  'NOT_RELEASED',
  /** The resource is shared or belongs to the installation, so this organization cannot change it. */
  'NOT_OWNED',
  /** Applications still use the resource. */
  'IN_USE',
  /** The pipeline did not fail, its application was removed or has an open pipeline, or a newer pipeline succeeded. */
  'NOT_RETRYABLE',
  'LIMIT_REACHED',
  /** The quota of the organization is used up. */
  'QUOTA_REACHED',
] as const;
export type CatalogErrorCode = (typeof CATALOG_ERROR_CODES)[number];

/** One rejected value; `field` is the name as the client sent it. */
export type Violation = { field: string; message: string };

export class CatalogError extends Error {
  override readonly name = 'CatalogError';
  readonly code: CatalogErrorCode;
  /** All violations for INVALID, else empty. */
  readonly violations: Violation[];
  /** The noun of the resource that was not found, for NOT_FOUND. */
  readonly noun: string | undefined;

  constructor(code: CatalogErrorCode, message: string, violations: Violation[] = [], noun?: string) {
    super(message);
    this.code = code;
    this.violations = violations;
    this.noun = noun;
  }
}

/** Returns the error for an id in a path. The text is the same for ids that never existed, are malformed, or belong to others. */
export function notFound(noun: string): CatalogError {
  return new CatalogError('NOT_FOUND', `The ${noun} was not found`, [], noun);
}

/** Throws INVALID if there is at least one violation. */
export function rejectViolations(violations: Violation[]): void {
  if (violations.length > 0) throw new CatalogError('INVALID', 'The request is invalid', violations);
}
