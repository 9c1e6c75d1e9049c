// Reads the answer of any server. The answer may come from a proxy, be incomplete, or never end.
import type { EndpointDefinition } from '../contract/endpoint.ts';
import { shapeProblem } from './answer-shape.ts';
import { type ProblemDetails, ProblemError, UnexpectedAnswerError, UnreachableError } from './problem-error.ts';

/**
 * The most bytes of an answer: ten times the largest page, which has a hundred customizations with their releasables and
 * releases.
 */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** The most bytes of a problem. A problem with a hundred violations of the longest field names is far smaller. */
const PROBLEM_BYTES_MAX = 1024 * 1024;

/** Yields the body of an answer as it arrives. Throws UnreachableError if the body ends too early. */
export async function* readParts(url: string, response: Response): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  try {
    yield* response.body ?? [];
  } catch (error) {
    throw new UnreachableError(url, error, 'An incomplete answer arrived');
  }
}

/**
 * Returns the body of an answer as text. Throws the errors of `readParts`, and UnexpectedAnswerError if it exceeds the limit.
 */
async function readText(url: string, response: Response, bytesMax = ANSWER_BYTES_MAX): Promise<string> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const part of readParts(url, response)) {
    length += part.length;
    // The exception ends the loop, and this cancels the rest of the body.
    if (length > bytesMax)
      throw new UnexpectedAnswerError(url, `the answer is larger than ${bytesMax / 1024 / 1024} MiB`);
    parts.push(part);
  }
  return new TextDecoder().decode(await new Blob(parts).arrayBuffer());
}

/** Reads a JSON body. Throws the errors of `readText`, and UnexpectedAnswerError if the body is not JSON. */
export async function readJson(url: string, response: Response): Promise<unknown> {
  const text = await readText(url, response);
  try {
    return JSON.parse(text);
  } catch {
    throw new UnexpectedAnswerError(url, `the answer is ${kindOf(response, text)} instead of JSON`);
  }
}

/** Reads the answer of an operation. Throws UnexpectedAnswerError if it does not match the contract. */
export async function readOutput(url: string, { success }: EndpointDefinition, response: Response): Promise<unknown> {
  if (response.status !== success.status) {
    await response.body?.cancel();
    throw new UnexpectedAnswerError(url, `it answered HTTP status ${response.status} instead of ${success.status}`);
  }
  if (success.status === 200) return await readShaped(url, success.body, response);
  if (success.status !== 201) {
    await response.body?.cancel();
    return undefined;
  }
  const id = createdId(url, response);
  if (success.body === undefined) {
    await response.body?.cancel();
    return { id };
  }
  return { id, ...((await readShaped(url, success.body, response)) as object) };
}

async function readShaped(url: string, schema: object, response: Response): Promise<unknown> {
  const value = await readJson(url, response);
  const problem = shapeProblem(schema, value);
  if (problem !== undefined) throw new UnexpectedAnswerError(url, `the answer is not one of this API: ${problem}`);
  return value;
}

function createdId(url: string, response: Response): string {
  const id = (response.headers.get('location') ?? '').split('/').at(-1) ?? '';
  if (/^[\w-]+$/.test(id)) return id;
  throw new UnexpectedAnswerError(url, `it answered ${response.status} without the address of the created resource`);
}

/**
 * Returns the error for an answer without success: ProblemError if the answer contains a problem, and otherwise
 * UnexpectedAnswerError.
 */
export async function readProblem(url: string, response: Response): Promise<Error> {
  const { status } = response;
  const location = response.headers.get('location');
  if (status >= 300 && status < 400) {
    const goal = location === null ? 'another address' : location.slice(0, 200);
    return new UnexpectedAnswerError(url, `it redirects to ${goal}`);
  }
  const text = await readText(url, response, PROBLEM_BYTES_MAX);
  const problem = problemOf(text, response);
  if (problem !== undefined) return new ProblemError(problem);
  return new UnexpectedAnswerError(url, `it answered HTTP status ${status} with ${kindOf(response, text)}`, status);
}

/** Returns the problem in a text (RFC 9457), or undefined if the text contains none. */
function problemOf(text: string, response: Response): ProblemDetails | undefined {
  const body = parseObject(text);
  const { type, title, detail } = body;
  if (typeof type !== 'string' || typeof title !== 'string') return undefined;
  const request_id = response.headers.get('x-request-id');
  return {
    ...{ status: response.status, type, title },
    ...(typeof detail === 'string' ? { detail } : {}),
    violations: (Array.isArray(body['violations']) ? body['violations'] : []).flatMap((one: unknown) => {
      const { field, message } = (one ?? {}) as Record<string, unknown>;
      return typeof field === 'string' && typeof message === 'string' ? { field, message } : [];
    }),
    ...(request_id === null ? {} : { request_id }),
  };
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function kindOf(response: Response, text: string): string {
  if (text.trim() === '') return 'an empty body';
  const [type = ''] = (response.headers.get('content-type') ?? '').split(';');
  return type.includes('html') || /^\s*<(!doctype|html)/i.test(text) ? 'an HTML page' : 'other text';
}
