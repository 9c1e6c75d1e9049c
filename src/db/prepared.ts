// Statements that PostgreSQL plans once per connection instead of once per query: those that take longer to plan than to run.
// Figures: docs/decisions/0038.
import { createHash } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import pg from 'pg';

const MARK = '/* prepared */';

/**
 * Starts a statement that is planned once per connection. Each connection keeps each text, so there must be few texts. The statement
 * names its columns (no `*`), so that a concurrent migration does not change its result.
 */
export const prepared: RawBuilder<never> = sql.raw(MARK);

/** A client that prepares marked statements and sends all others unchanged. */
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

/** The same text has the same name on every connection, and different texts have different names. */
function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = createHash('sha256').update(text).digest('base64url');
    names.set(text, name);
  }
  return name;
}
