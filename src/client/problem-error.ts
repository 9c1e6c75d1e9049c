// What can go wrong with a call: the server refuses and says why, does not answer, or is not Larder.
import type { Violation } from '../contract/problem.ts';

export type ProblemDetails = {
  status: number;
  /** Path of the problem's type: /problems/not-found. */
  type: string;
  title: string;
  detail?: string;
  violations: Violation[];
  /** Names the request in the server's log. */
  request_id?: string;
};

/** The server refused. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly problem: ProblemDetails;

  constructor(problem: ProblemDetails) {
    super(problem.detail === undefined ? problem.title : `${problem.title}: ${problem.detail}`);
    this.problem = problem;
  }
}

/** No answer came, or only a part of one. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
  readonly url: string;

  constructor(url: string, cause: unknown, what = 'There is no answer') {
    super(`${what} from ${url}${reasonOf(cause)}`, { cause });
    this.url = url;
  }
}

/** An answer came that is not of this API: a proxy's page, another server's. */
export class UnexpectedAnswerError extends Error {
  override readonly name = 'UnexpectedAnswerError';

  constructor(url: string, reason: string) {
    super(`This is not Larder's API, or a broken one, at ${url}: ${reason}`);
  }
}

/** fetch says only that it failed; its cause says why. */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  if (!(inner instanceof Error)) return '';
  const code = 'code' in inner && typeof inner.code === 'string' ? inner.code : inner.message;
  return code === '' ? '' : ` (${code})`;
}
