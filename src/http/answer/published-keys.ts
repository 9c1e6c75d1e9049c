// Serves, without a token, the public keys that verify releases, and the trusted root that cosign requires with them.
import type { FastifyInstance, FastifyReply } from 'fastify';
import { PUBLISHED_KEYS_PATH, type PublishedKey, TRUSTED_ROOT, TRUSTED_ROOT_PATH } from '../../contract/signing-key.ts';
import type { Database } from '../../db/database.ts';
import { listPublishedKeys } from '../../identity/published-signing-keys.ts';
import { Rejection } from './problems.ts';

/** The characters of a namespace. Other texts get 404 without a query, because PostgreSQL fails on NUL. */
const NAMESPACE = /^[a-z0-9-]+$/;

/** Caching time of the current key. After a rotation, proxies serve the new key within five minutes. */
const CHANGING = 'public, max-age=300';
/** Caching time of a key whose path contains its digest. Such a key never changes. */
const FIXED = 'public, max-age=31536000, immutable';

/**
 * Adds `/signing-keys/trusted-root.json`. For each namespace, adds `current.pem`, `KEY_ID.pem`, and `keys.json` with every
 * key and its dates.
 */
export function addPublishedKeys(app: FastifyInstance, { db }: { db: Database }): void {
  const root = JSON.stringify(TRUSTED_ROOT);
  app.get(TRUSTED_ROOT_PATH, async (_request, reply) => json(reply, root, CHANGING));
  app.get(`${PUBLISHED_KEYS_PATH}/:namespace/:file`, async (request, reply) => {
    const { namespace, file } = request.params as { namespace: string; file: string };
    if (!NAMESPACE.test(namespace)) throw new Rejection('not-found');
    const keys = await listPublishedKeys(db, namespace);
    if (file === 'keys.json' && keys.length > 0) return json(reply, JSON.stringify({ keys }), CHANGING);
    const key = keys.find(({ id, status }) => file === `${id}.pem` || (file === 'current.pem' && status === 'CURRENT'));
    if (key === undefined) throw new Rejection('not-found');
    return pem(reply, key, file === 'current.pem' ? CHANGING : FIXED);
  });
}

function json(reply: FastifyReply, text: string, cacheControl: string): FastifyReply {
  return reply.header('cache-control', cacheControl).type('application/json; charset=utf-8').send(text);
}

function pem(reply: FastifyReply, { public_key }: PublishedKey, cacheControl: string): FastifyReply {
  return reply.header('cache-control', cacheControl).type('application/x-pem-file').send(public_key);
}
