// Limits the concurrent pushes and pulls of each organization and each address, so that none of them blocks the others.
import { finished } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { openShares, type ReachedLimit, type ShareLimits, type Shares, type Taken } from '../identity/shares.ts';
import { hasBody } from './body.ts';
import type { Caller } from './caller.ts';
import { Rejection } from './rejection.ts';

/**
 * Limits of concurrent requests that send a blob or a manifest. docker sends five layers at a time, so an organization can
 * push 25 images at once. Each request needs a connection, an open file and a few buffers. The places above `shared` are
 * reserved for organizations without a running push.
 */
export const PUSH_LIMITS: ShareLimits = { organization: 128, address: 256, shared: 512, process: 1024 };

/**
 * Limits of concurrent requests that read a blob. containerd reads three layers at a time, so 170 machines of an organization
 * can pull at once. Each request needs one of the server's 2,048 connections, an open file and a buffer.
 */
export const PULL_LIMITS: ShareLimits = { organization: 512, address: 512, shared: 1536, process: 2048 };

/** The Retry-After of a 429. In this time, the transfer of a layer of usual size ends. */
const RETRY_AFTER_SECONDS = 10;

/** The Retry-After of a 503. It is longer, because only many organizations together reach the limit of the process. */
const FULL_RETRY_AFTER_SECONDS = 60;

type Held = { context: { shares: TransferShares }; caller: Caller; request: FastifyRequest; reply: FastifyReply };

export type TransferShares = { pushes: Shares; pulls: Shares };

/** Returns the shares of a registry without any running transfers. */
export function openTransferShares(): TransferShares {
  return { pushes: openShares(PUSH_LIMITS), pulls: openShares(PULL_LIMITS) };
}

/**
 * Runs `push`. If the request has a body, it counts towards the caller's share while `push` runs. Throws TOOMANYREQUESTS and
 * UNAVAILABLE.
 */
export async function withPushShare<T>(exchange: Held, push: () => Promise<T>): Promise<T> {
  if (!hasBody(exchange.request)) {
    return await push();
  }
  const release = releaseOf(take(exchange, exchange.context.shares.pushes), 'pushes');
  try {
    return await push();
  } finally {
    release();
  }
}

/**
 * Counts a pull towards the caller's share until its answer is sent or its connection ends. Throws TOOMANYREQUESTS and
 * UNAVAILABLE.
 */
export function holdPullShare(exchange: Held): void {
  const release = releaseOf(take(exchange, exchange.context.shares.pulls), 'pulls');
  // `finished` also calls `release` if the connection is already closed.
  finished(exchange.reply.raw, release);
}

function take({ caller, request }: Held, shares: Shares): Taken {
  return shares.take({ organization_id: caller.organization_id, address: request.ip });
}

function releaseOf(taken: Taken, what: 'pushes' | 'pulls'): () => void {
  if ('reached' in taken) {
    throw rejectionOf(taken.reached, what);
  }
  return taken.release;
}

function rejectionOf({ by, limit }: ReachedLimit, what: 'pushes' | 'pulls'): Rejection {
  if (by === 'process') {
    const headers = { 'retry-after': String(FULL_RETRY_AFTER_SECONDS) };
    return new Rejection('UNAVAILABLE', `the registry already serves ${limit} ${what}, which is its limit`, {
      headers,
    });
  }
  const who = by === 'organization' ? 'of this organization' : 'from this address';
  const headers = { 'retry-after': String(RETRY_AFTER_SECONDS) };
  return new Rejection('TOOMANYREQUESTS', `${limit} ${what} ${who} are running, which is the limit`, { headers });
}
