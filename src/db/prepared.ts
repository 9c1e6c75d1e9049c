// Statements that PostgreSQL plans once for each connection instead of at every query, because planning them takes longer
// than running them. docs/decisions/0038 has the figures.
import { createHash } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import pg from 'pg';

const MARK = '/* prepared */';

/**
 * Put this at the start of a statement that PostgreSQL should plan once for each connection. A connection keeps every such
 * text, so there must be few texts. The statement must name its columns (no `*`), so that a concurrent migration does not
 * change its result.
 */
export const prepared: RawBuilder<never> = sql.raw(MARK);

/** A client that prepares statements marked with `prepared`. It sends all other statements unchanged. */
export class PreparingClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    const send = (...args: unknown[]) => Reflect.apply(super.query, this, args);
    this.query = ((first: unknown, ...rest: unknown[]) =>
      isMarked(first)
        ? send({ name: nameOf(first), text: first, values: rest[0] }, ...rest.slice(1))
        : send(first, ...rest)) as pg.Client['query'];
  }
}

function isMarked(statement: unknown): statement is string {
  return typeof statement === 'string' && statement.trimStart().startsWith(MARK);
}

const names = new Map<string, string>();

/**
 * Returns the name of a prepared statement. Equal texts have equal names on every connection, and different texts have
 * different names.
 */
function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = createHash('sha256').update(text).digest('base64url');
    names.set(text, name);
  }
  return name;
}
