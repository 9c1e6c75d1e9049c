// Errors of a call. The server rejects the call with a reason, does not answer, or is not Larder.
import type { Violation } from '../contract/problem.ts';

export type ProblemDetails = {
  status: number;
  /** The path in the problem's type, such as /problems/not-found. */
  type: string;
  title: string;
  detail?: string;
  violations: Violation[];
  /** Identifies the request in the server's log. */
  request_id?: string;
};

/** Problems whose detail is a complete sentence and needs no title before it. */
const COMPLETE_DETAILS = ['/problems/not-found', '/problems/not-retryable'];

/** The server rejected the call. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly problem: ProblemDetails;

  constructor(problem: ProblemDetails) {
    super(messageOf(problem));
    this.problem = problem;
  }
}

function messageOf({ type, title, detail }: ProblemDetails): string {
  if (detail === undefined) return title;
  return COMPLETE_DETAILS.includes(type) ? detail : `${title}: ${detail}`;
}

/** No answer arrived, or only a part of one. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
  readonly url: string;

  constructor(url: string, cause: unknown, what = 'There is no answer') {
    super(`${what} from ${url}${reasonOf(cause)}`, { cause });
    this.url = url;
  }
}

/** The answer does not belong to this API. It comes from a proxy or another server. */
export class UnexpectedAnswerError extends Error {
  override readonly name = 'UnexpectedAnswerError';
  /** The HTTP status, if the status was wrong. */
  readonly status: number | undefined;

  constructor(url: string, reason: string, status?: number) {
    super(`The server at ${url} does not answer as Larder's API does: ${reason}`);
    this.status = status;
  }
}

/**
 * Statuses of a server that starts, stops or is busy, or of a proxy whose server is unavailable (RFC 9110, section 15.6; RFC
 * 6585).
 */
const AWAY_STATUSES = [429, 502, 503, 504];

/** Whether a retry can succeed, because there was no answer or the server is temporarily unavailable. */
export function isAway(error: unknown): error is Error {
  if (error instanceof ProblemError) return AWAY_STATUSES.includes(error.problem.status);
  if (error instanceof UnexpectedAnswerError) return AWAY_STATUSES.includes(error.status ?? 0);
  return error instanceof UnreachableError;
}

/**
 * Returns the reason why fetch failed. fetch throws an error without a reason, and the cause of that error contains the
 * reason.
 */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  if (!(inner instanceof Error)) return '';
  const code = 'code' in inner && typeof inner.code === 'string' ? inner.code : inner.message;
  return code === '' ? '' : ` (${code})`;
}
