// The type of a handler, and functions that make the two usual handlers: one reads from the database, the other writes in a
// transaction.
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ContentStore } from '../content/content.ts';
import type { endpoints, Input, Operation, Output } from '../contract/endpoints.ts';
import type { Database, Transaction } from '../db/database.ts';
import type { Identity } from '../identity/identity.ts';
import type { Principal } from '../identity/principal.ts';
import type { WaysIn } from '../identity/ways-in.ts';

/** The part of identity that the server uses. */
export type HttpIdentity = Pick<
  Identity,
  | 'verifyAccessToken'
  | 'exchangeApiToken'
  | 'jwks'
  | 'seal'
  | 'unseal'
  | 'fileKey'
  | 'failedLogins'
  | 'getSessionHolder'
  | 'passwords'
  | 'oidc'
  | 'waysIn'
>;

/** The context that every handler receives with its input. */
export type PublicContext = {
  db: Database;
  content: ContentStore;
  identity: HttpIdentity;
  /** Scheme, host and port with which the client reached the server. Absolute URLs begin with them. */
  origin: string;
  request: FastifyRequest;
  reply: FastifyReply;
  write: Write;
};

/**
 * A handler must write with this function, and may call it once. It runs `act` in one transaction. The transaction first
 * checks If-Match, and last writes the row of the audit trail. If the request has an Idempotency-Key, the transaction also
 * stores the result of `act`. A repeated request gets the stored result without a call of `act`. So the result must be plain
 * JSON.
 */
export type Write = <T>(act: (tx: Transaction) => Promise<T>) => Promise<T>;

export type Context = PublicContext & { caller: Principal };

/** The context of a handler that reads. */
export type Reading = Omit<Context, 'write'>;

type ContextOf<O extends Operation> = (typeof endpoints)[O]['access'] extends 'PUBLIC' ? PublicContext : Context;

export type Handler<O extends Operation> = (context: ContextOf<O>, input: Input<O>) => Promise<Output<O>>;

/** Makes a handler that reads. */
export function reader<I, R>(read: (db: Database, caller: Principal, input: I) => Promise<R>) {
  return (context: Context, input: I): Promise<R> => read(context.db, context.caller, input);
}

/** Makes a handler that writes in one transaction. */
export function writer<I, R>(write: (tx: Transaction, caller: Principal, input: I) => Promise<R>) {
  return (context: Context, input: I): Promise<R> => context.write((tx) => write(tx, context.caller, input));
}

/** Makes a handler that writes and may remove an owner's way to log in. */
export function accessWriter<I, R>(
  write: (tx: Transaction, caller: Principal, input: I, options: { waysIn: WaysIn }) => Promise<R>,
) {
  return ({ write: inTransaction, caller, identity: { waysIn } }: Context, input: I): Promise<R> =>
    inTransaction((tx) => write(tx, caller, input, { waysIn }));
}
