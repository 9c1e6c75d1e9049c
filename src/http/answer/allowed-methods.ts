// Collects the methods that each path supports. They are needed for 405, for the Allow header and for the answer to OPTIONS.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Rejection } from './problems.ts';

type Known = { url: string; pattern: RegExp; methods: Set<string> };

/**
 * Collects the routes that are added after this call. A request that matches no route gets 404, or 405 if the path has other
 * methods. OPTIONS gets the allowed methods.
 */
export function addAllowedMethods(app: FastifyInstance): void {
  const known = new Map<string, Known>();
  app.addHook('onRoute', ({ url, method }) => {
    // A wildcard route answers every method itself.
    if (url.includes('*')) return;
    const one = known.get(url) ?? { url, pattern: patternOf(url), methods: new Set() };
    for (const name of [method].flat()) one.methods.add(name);
    known.set(url, one);
  });
  // Runs before the body is read. Otherwise Fastify would first reject the media type of a QUERY request to an unknown route.
  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) return answerUnknown(request, reply, [...known.values()]);
    // A fixed path such as `/catalogs/waves` was called with a method that only `/catalogs/{id}` supports. The router has
    // then matched the path with the parameter, so the answer is sent here.
    const named = known.get(pathOf(request));
    if (named !== undefined && request.routeOptions.url !== pathOf(request))
      return answerUnknown(request, reply, [named]);
  });
  // OPTIONS requests that are not preflights are also answered here, because the wildcard route of CORS forwards them.
  app.setNotFoundHandler((request, reply) => answerUnknown(request, reply, [...known.values()]));
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '';
}

function patternOf(url: string): RegExp {
  const text = url.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/:(\w+)/g, '[^/]+');
  return new RegExp(`^${text}$`);
}

function answerUnknown(request: FastifyRequest, reply: FastifyReply, known: Known[]): FastifyReply {
  const path = pathOf(request);
  const exact = known.filter(({ url }) => url === path);
  const fitting = exact.length > 0 ? exact : known.filter(({ pattern }) => pattern.test(path));
  const methods = new Set(fitting.flatMap((one) => [...one.methods]));
  if (methods.size === 0) throw new Rejection('not-found');
  const allow = [...methods, 'OPTIONS'].sort().join(', ');
  if (request.method === 'OPTIONS') return reply.code(204).header('allow', allow).send();
  throw new Rejection('method-not-allowed', { detail: `Allowed: ${allow}.`, headers: { allow } });
}
