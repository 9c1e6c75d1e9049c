// Serves the OpenAPI document as YAML and as JSON. No token is needed.
import type { FastifyInstance } from 'fastify';
import { stringify } from 'yaml';
import { openApiDocument } from './openapi.ts';

/**
 * Adds the document as YAML at `/v1/api.yml`, and as JSON at `/v1/api.json` and `/openapi.json`. Tools expect it at
 * `/openapi.json`.
 */
export function addOpenApi(app: FastifyInstance): void {
  const document = openApiDocument();
  const json = JSON.stringify(document, null, 2);
  // Writes no YAML aliases, because many readers of OpenAPI do not resolve them.
  const yaml = stringify(document, { aliasDuplicateObjects: false });
  for (const path of ['/v1/api.json', '/openapi.json']) {
    app.get(path, async (_request, reply) => reply.type('application/json; charset=utf-8').send(json));
  }
  app.get('/v1/api.yml', async (_request, reply) => reply.type('application/yaml; charset=utf-8').send(yaml));
}
