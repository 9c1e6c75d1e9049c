// A refusal by the server, as the problem that it answered; and a server that could not be reached.
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

/** No answer came, or one that is not of this API. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
  readonly url: string;

  constructor(url: string, cause: unknown) {
    super(`There is no answer from ${url}${reasonOf(cause)}`, { cause });
    this.url = url;
  }
}

/** fetch says only that it failed; its cause says why. */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  if (!(inner instanceof Error)) return '';
  const code = 'code' in inner && typeof inner.code === 'string' ? inner.code : inner.message;
  return code === '' ? '' : ` (${code})`;
}

/** The problem that an answer holds; an answer that holds none is described by its status. */
export async function problemOf(response: Response): Promise<ProblemError> {
  const text = await response.text();
  const body = parseObject(text);
  const request_id = response.headers.get('x-request-id');
  return new ProblemError({
    status: response.status,
    type: typeof body['type'] === 'string' ? body['type'] : 'about:blank',
    title: typeof body['title'] === 'string' ? body['title'] : `HTTP status ${response.status}`,
    ...(typeof body['detail'] === 'string' ? { detail: body['detail'] } : {}),
    violations: Array.isArray(body['violations']) ? (body['violations'] as Violation[]) : [],
    ...(request_id === null ? {} : { request_id }),
  });
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
