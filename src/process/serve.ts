// A server from its start to its stop. It listens, creates the rows of a first start, reports when it is ready, and finishes
// running requests before it stops.
import { hostname } from 'node:os';
import type { Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { findEssentials, listWorkers } from '../catalog/workers.ts';
import type { Config } from '../config/config.ts';
import { FREE_SHARE_MIN } from '../content/content.ts';
import { atMostEvery } from '../http/at-most-every.ts';
import type { Readiness } from '../http/health.ts';
import { openMetrics, serveMetrics } from '../http/metrics.ts';
import { buildServer } from '../http/server.ts';
import { followTlsFiles, readTlsFiles, TlsFilesError } from '../http/tls-files.ts';
import { ensureReleaseKeys } from '../identity/release-signing-keys.ts';
import { countEndingWaysIn } from '../identity/ways-in.ts';
import { bootstrap } from '../installation/bootstrap.ts';
import { SecretFileError, writeSecretFile } from '../installation/secret-file.ts';
import type { Logger } from '../log.ts';
import { registerRegistryRoutes } from '../registry/routes.ts';
import { openResources, type Resources } from '../resources.ts';
import { StartError } from '../start-error.ts';
import type { WorkerDeaths } from './process-messages.ts';

/**
 * How long the server still accepts connections while /readyz answers «draining». A load balancer that asks every second
 * notices it in this time.
 */
const DRAIN_NOTICE_MS = 1_000;

/**
 * How long the server waits for running requests. Longer uploads are interrupted, and clients continue them at another
 * server.
 */
const DRAIN_MS = 5_000;

const READY_POLL_MS = 100;

/**
 * How long the counts of the owners' ways to log in are reused. /readyz is requested often, and these ways expire over weeks.
 */
const WAYS_IN_MS = 5_000;

export type StartedServer = {
  /** The address, such as `http://127.0.0.1:8080`. */
  url: string;
  /** Resolves to true when /readyz first answers 200. Resolves to false if the server is stopped before that. */
  ready: Promise<boolean>;
  /** Called with the supervisor's counts of the worker's deaths. /readyz, the metrics and the log show them. */
  noteWorker(deaths: WorkerDeaths): void;
  stop(): Promise<void>;
};

/**
 * Called with the API token of a first start. If a file for the token is configured, the file is passed too and already
 * contains the token.
 */
export type OnApiToken = (apiToken: string, file?: string) => void;

/** Begins to listen. Throws StartError for a fault that the operator can correct. */
export async function startServer(config: Config, log: Logger, onApiToken: OnApiToken): Promise<StartedServer> {
  const tls = config.tls === undefined ? undefined : await readTlsFiles(config.tls).catch(rejectTls);
  const resources = await openResources(config, log);
  const state: State = { bootstrapped: false, worker: { deaths: 0 } };
  const readiness: Readiness = { draining: false, checks: checksOf(resources, state) };
  const metrics = config.metrics && openMetrics({ ...resources, workerDeaths: () => state.worker });
  const app = buildServer({
    db: resources.db,
    content: resources.content,
    identity: resources.identity,
    log,
    readiness,
    ...(config.publicUrl !== undefined && { publicUrl: config.publicUrl }),
    ...(tls !== undefined && { tls }),
    trustedProxies: config.trustedProxies,
    corsOrigins: config.corsOrigins,
    ...(metrics && { watch: metrics.watch }),
    register: (scope) => registerRegistryRoutes(scope, { ...resources, ...publicUrlOf(config) }),
  });
  const files = config.tls && followTlsFiles(app.server as unknown as TlsServer, config.tls, { log });
  const reload = () => void files?.reload();
  if (files) process.on('SIGHUP', reload);
  app.addHook('onClose', async () => {
    process.off('SIGHUP', reload);
    files?.stop();
  });
  try {
    if (metrics && config.metrics) {
      const served = await serveMetrics(metrics, config.metrics).catch(rejectAddress(METRICS, config.metrics));
      app.addHook('onClose', async () => served.close());
    }
    const url = await app.listen({ host: config.host, port: config.port }).catch(rejectAddress(CLIENTS, config));
    await makeFirstStart(resources, url, onApiToken);
    await ensureReleaseKeys(resources.db, resources.identity);
    state.bootstrapped = true;
    log.info({ url }, 'server listens');
    return {
      url,
      ready: becomeReady(readiness),
      noteWorker: (deaths) => noteWorker(state, deaths, log),
      stop: () => stop(app, { readiness, resources }),
    };
  } catch (error) {
    await app.close();
    await resources.close();
    throw error;
  }
}

/** Creates the rows of a first start. If they are not committed, removes the file with the API token. */
async function makeFirstStart({ db, config }: Resources, listenUrl: string, onApiToken: OnApiToken): Promise<void> {
  const { firstTokenFile: file } = config;
  const address =
    config.publicUrl === undefined
      ? { publicUrl: listenUrl, listenedBy: `${hostname()}:${config.data}` }
      : { publicUrl: config.publicUrl };
  if (file === undefined) return await bootstrap(db, { ...address, onApiToken });
  let removeFile: (() => Promise<void>) | undefined;
  const write = async (apiToken: string) => {
    // The transaction may run again and then creates another token. So the file with the first token is removed.
    await removeFile?.();
    removeFile = await writeSecretFile(file, 'The first API token', apiToken).catch(rejectTokenFile);
    onApiToken(apiToken, file);
  };
  try {
    await bootstrap(db, { ...address, onApiToken: write });
  } catch (error) {
    await removeFile?.();
    throw error;
  }
}

function rejectTokenFile(cause: unknown): never {
  if (!(cause instanceof SecretFileError)) throw cause;
  throw new StartError('FIRST_TOKEN', `${cause.message} The file is named by LARDER_FIRST_TOKEN_FILE.`, { cause });
}

function rejectTls(cause: unknown): never {
  if (!(cause instanceof TlsFilesError)) throw cause;
  throw new StartError('TLS', cause.message, { cause });
}

/** The names of the two settings for an address to listen on. */
type AddressSettings = { host: string; port: string };
const CLIENTS: AddressSettings = { host: 'LARDER_HOST', port: 'LARDER_PORT' };
const METRICS: AddressSettings = { host: 'LARDER_METRICS_HOST', port: 'LARDER_METRICS_PORT' };

/**
 * Returns a function that explains why the server cannot listen on an address (listen(2), bind(2), getaddrinfo(3)). The
 * explanation names the setting to change.
 */
function rejectAddress(settings: AddressSettings, { host, port }: { host: string; port: number }) {
  const reasons: Record<string, string> = {
    EADDRINUSE: `Port ${port} on ${host} is taken. Stop what listens there, or choose another ${settings.port}.`,
    EACCES: `This account may not listen on port ${port}. Choose a ${settings.port} of 1024 or more, with a proxy in front.`,
    EADDRNOTAVAIL: `This machine does not have the address ${host}. Choose one of its addresses for ${settings.host}.`,
    EAFNOSUPPORT: `This machine does not have the address ${host}. Choose one of its addresses for ${settings.host}.`,
    ENOTFOUND: `The name ${host} is not found. Choose another ${settings.host}.`,
    EAI_AGAIN: `The name ${host} cannot be looked up. Repair the DNS, or set ${settings.host} to an IP address.`,
  };
  return (cause: NodeJS.ErrnoException): never => {
    const reason = reasons[cause.code ?? ''];
    throw reason === undefined ? cause : new StartError('ADDRESS', reason, { cause });
  };
}

function publicUrlOf({ publicUrl }: Config): { publicUrl?: string } {
  return publicUrl === undefined ? {} : { publicUrl };
}

type State = { bootstrapped: boolean; worker: WorkerDeaths };

function noteWorker(state: State, worker: WorkerDeaths, log: Logger): void {
  const before = state.worker.paused;
  state.worker = worker;
  if (worker.paused && !before) log.error(worker.paused, 'work is paused: the worker keeps dying');
  if (before && !worker.paused) log.info('work goes on: the worker stays up');
}

function checksOf({ db, content, identity }: Resources, state: State): Readiness['checks'] {
  const endingWaysIn = atMostEvery(WAYS_IN_MS, () => countEndingWaysIn(db, identity.waysIn));
  return {
    installation: async () => ({ ok: state.bootstrapped }),
    database: async () => {
      const { offerings, base_images, hosted_registry } = await findEssentials(db);
      return { ok: offerings && base_images && hosted_registry, offerings, base_images, hosted_registry };
    },
    content: async () => {
      const free = await content.freeShare();
      if (free === undefined) return { ok: true };
      // Rounds down, so that a value below the limit is never shown as equal to the limit.
      return { ok: true, free_percent: Math.floor(free * 1000) / 10, has_room: free >= FREE_SHARE_MIN };
    },
    // Counts organizations whose owners cannot log in, or cannot within a month. This only informs the operator. The server
    // is ready in any case.
    owner_access: async () => ({ ok: true, ...(await endingWaysIn().catch(() => undefined)) }),
    // Without a worker, nothing is built, but all requests work. So the check passes, and a load balancer still sends
    // requests.
    workers: async () => {
      const { failed: _, ...paused } = state.worker.paused ?? {};
      return { ok: true, alive: await listWorkers(db), ...(state.worker.paused && { paused }) };
    },
  };
}

async function becomeReady(readiness: Readiness): Promise<boolean> {
  while (!readiness.draining) {
    const results = await Promise.all(
      Object.values(readiness.checks).map((check) => check().catch(() => ({ ok: false }))),
    );
    if (results.every(({ ok }) => ok)) return true;
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
  return false;
}

async function stop(
  app: FastifyInstance,
  { readiness, resources }: { readiness: Readiness; resources: Resources },
): Promise<void> {
  readiness.draining = true;
  await new Promise((resolve) => setTimeout(resolve, DRAIN_NOTICE_MS));
  const cut = setTimeout(() => app.server.closeAllConnections(), DRAIN_MS);
  await app.close();
  clearTimeout(cut);
  await resources.close();
}
