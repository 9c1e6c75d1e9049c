// The ways the catalog rejects, as a closed set of codes without a word of HTTP.

/** What a rejection is about: `http/answer/problems.ts` maps each code to an answer. */
export const CATALOG_ERROR_CODES = [
  /** No object with this id that the organization may see. Ids of other organizations and malformed ids get the same answer. */
  'NOT_FOUND',
  /** The object was deleted: it can be read, but not changed. Clients that may not read it get NOT_FOUND. */
  'DELETED',
  /** The values do not fit together or name what is not there; `violations` says which. */
  'INVALID',
  /** The filter names a product without a released application in the catalog. */
  'NOT_RELEASED',
  /** The thing is shared or made by the installation: it is not this organization's to change. */
  'NOT_OWNED',
  /** Applications still need it. */
  'IN_USE',
  /** The pipeline did not fail, or something newer is there. */
  'NOT_RETRYABLE',
  /** Limit reached. */
  'LIMIT_REACHED',
  /** The organization may not have more of it. */
  'QUOTA_REACHED',
] as const;
export type CatalogErrorCode = (typeof CATALOG_ERROR_CODES)[number];

/** One value that was rejected; `field` is the name as the client sent it. */
export type Violation = { field: string; message: string };

export class CatalogError extends Error {
  override readonly name = 'CatalogError';
  readonly code: CatalogErrorCode;
  /** All of them for INVALID, empty otherwise. */
  readonly violations: Violation[];
  /** What is not found, for NOT_FOUND. */
  readonly noun: string | undefined;

  constructor(code: CatalogErrorCode, message: string, violations: Violation[] = [], noun?: string) {
    super(message);
    this.code = code;
    this.violations = violations;
    this.noun = noun;
  }
}

/** The rejection of a path id. The text is the same whether the thing never was, is malformed, or is another's. */
export function notFound(noun: string): CatalogError {
  return new CatalogError('NOT_FOUND', `The ${noun} is not found`, [], noun);
}

/** Throws INVALID when there is at least one violation. */
export function rejectViolations(violations: Violation[]): void {
  if (violations.length > 0) throw new CatalogError('INVALID', 'The request does not fit the catalog', violations);
}
