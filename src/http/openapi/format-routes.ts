// Serves the JSON Schemas of recipe.yaml and customization.yaml. Editors load them, so no token is needed.
import type { FastifyInstance } from 'fastify';
import { DeclarationSchema } from '../../customization/declaration-schema.ts';
import { RecipeSchema } from '../../recipes/recipe-schema.ts';
import { toJsonSchema } from '../../yaml/json-schema.ts';

/** The schemas, by the name of their format. docs/schema/ contains copies. */
export const formatSchemas = {
  recipe: toJsonSchema(RecipeSchema, 'recipe.yaml of Larder'),
  customization: toJsonSchema(DeclarationSchema, 'customization.yaml of Larder'),
};

/** Adds `/larder/v1/schemas/recipe.json` and `/larder/v1/schemas/customization.json`. */
export function addFormatSchemas(app: FastifyInstance): void {
  for (const [name, schema] of Object.entries(formatSchemas)) {
    const json = JSON.stringify(schema, null, 2);
    app.get(`/larder/v1/schemas/${name}.json`, async (_request, reply) =>
      reply.type('application/schema+json; charset=utf-8').send(json),
    );
  }
}
