// Liveness and readiness of the process, for load balancers, scripts and operators.
import type { FastifyInstance } from 'fastify';
import { VERSION } from '../version.ts';
import { READINESS_CHECK_TIMEOUT_MS } from './limits.ts';

/** The result of one check. /readyz shows it unchanged. */
export type CheckResult = { ok: boolean; [detail: string]: unknown };

/**
 * What the server reports at /readyz. The code that starts the server adds the checks, and sets `draining` when the server
 * stops.
 */
export type Readiness = {
  /** True after the process was asked to stop. It then finishes running requests and accepts no new requests. */
  draining: boolean;
  checks: Record<string, () => Promise<CheckResult>>;
};

/** Adds `/livez` and `/readyz`. */
export function addHealth(app: FastifyInstance, readiness: Readiness): void {
  app.get('/livez', async () => ({ status: 'alive' }));
  app.get('/readyz', async (_request, reply) => {
    const checks = await runChecks(readiness);
    const ready = !readiness.draining && Object.values(checks).every(({ ok }) => ok);
    const status = readiness.draining ? 'draining' : ready ? 'ready' : 'not-ready';
    return reply
      .code(ready ? 200 : 503)
      .header('cache-control', 'no-store')
      .send({ status, version: VERSION, checks });
  });
}

async function runChecks({ checks }: Readiness): Promise<Record<string, CheckResult>> {
  const results = Object.entries(checks).map(async ([name, check]) => [name, await runCheck(check)] as const);
  return Object.fromEntries(await Promise.all(results));
}

/** Runs a check. A failed check does not show the text of its error, because the text may contain hosts and paths. */
async function runCheck(check: () => Promise<CheckResult>): Promise<CheckResult> {
  const late = Promise.withResolvers<CheckResult>();
  const timer = setTimeout(() => late.resolve({ ok: false, reason: 'timeout' }), READINESS_CHECK_TIMEOUT_MS);
  try {
    return await Promise.race([check(), late.promise]);
  } catch {
    return { ok: false, reason: 'error' };
  } finally {
    clearTimeout(timer);
  }
}
