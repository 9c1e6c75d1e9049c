// Statements that PostgreSQL plans once for each connection instead of at every query, because to plan them takes longer than
// to run them. Figures: docs/decisions/0038.
import { createHash } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import pg from 'pg';

const MARK = '/* prepared */';

/**
 * Put at the start of a statement that PostgreSQL should plan once for each connection. A connection keeps every such text, so
 * there must be few. The statement names its columns (no `*`), so that a concurrent migration does not change its result.
 */
export const prepared: RawBuilder<never> = sql.raw(MARK);

/** A client that prepares statements marked with `prepared`, and sends all others as they are. */
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
 * Returns the name of a prepared statement. Equal texts have equal names on every connection; different texts have different
 * names.
 */
function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = createHash('sha256').update(text).digest('base64url');
    names.set(text, name);
  }
  return name;
}
