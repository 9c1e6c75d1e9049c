// Icons of products: `GET /larder/v1/products/{product_key}/icon`. Like the rest of the main catalog, they need no
// authentication.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { findProductIcon } from '../../catalog/products.ts';
import type { ContentStore } from '../../content/content.ts';
import type { Database } from '../../db/database.ts';
import { isHeld } from './entity-tags.ts';
import { Rejection } from './problems.ts';

/** Adds the route of icons. The field `icon_url` of a product links to it. */
export function addIcons(app: FastifyInstance, parts: { db: Database; content: ContentStore }): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/larder/v1/products/:product_key/icon',
    exposeHeadRoute: false,
    handler: (request, reply) => answer(request, reply, parts),
  });
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  { db, content }: { db: Database; content: ContentStore },
): Promise<FastifyReply> {
  const { product_key } = request.params as { product_key: string };
  const digest = await findProductIcon(db, product_key);
  const held = digest && (await content.stat(digest));
  if (digest === undefined || held === undefined) throw new Rejection('not-found');
  const tag = `"${digest}"`;
  reply.headers({
    etag: tag,
    'content-type': 'image/svg+xml',
    // The URL stays the same when the recipe gets another picture. So clients must ask again after an hour.
    'cache-control': 'public, max-age=3600',
    // If an icon is opened as a page, it must not run or load anything.
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    // Pages of other origins may show the icon, like everything in the main catalog.
    'cross-origin-resource-policy': 'cross-origin',
  });
  if (isHeld(request.headers['if-none-match'], tag)) return reply.code(304).send();
  reply.header('content-length', held.size);
  return request.method === 'HEAD' ? reply.send() : reply.send(await content.open(digest));
}
