// The pages to which the `type` of a problem links, as HTML and JSON. They say what the problem means and what to do.
import type { FastifyInstance } from 'fastify';
import { NO_CONTENT_POLICY } from './browser-headers.ts';
import { PROBLEMS, type ProblemCode, problemType, Rejection } from './problems.ts';

/** Adds `/problems` and `/problems/{code}`. */
export function addProblemPages(app: FastifyInstance): void {
  app.get('/problems', async () => ({ problems: codes.map(explain) }));
  app.get('/problems/:code', async (request, reply) => {
    const { code } = request.params as { code: string };
    const known = codes.find((one) => one === code);
    if (known === undefined) throw new Rejection('not-found');
    const wantsPage = (request.headers.accept ?? '').includes('text/html');
    if (!wantsPage) return explain(known);
    reply.header('content-security-policy', NO_CONTENT_POLICY);
    return reply.type('text/html; charset=utf-8').send(page(known));
  });
}

const codes = Object.keys(PROBLEMS) as ProblemCode[];

function explain(code: ProblemCode) {
  const { status, title, advice } = PROBLEMS[code];
  return { type: problemType(code), status, title, advice };
}

function page(code: ProblemCode): string {
  const { status, title, advice } = PROBLEMS[code];
  const text = `<h1>${title}</h1><p>HTTP status ${status}</p><p>${advice.replaceAll('"', '&quot;')}</p>`;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><main>${text}</main></html>`;
}
