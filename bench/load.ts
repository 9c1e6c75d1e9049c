// The load of the benchmark of lists, in a separate process. It has a number of connections. Each sends its next request
// after the answer or at an interval.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import pg from 'pg';

/** The requests to a server or the statements to a database, the number of connections, and the duration. */
export type Load = {
  connections: number;
  seconds: number;
  /** The interval between requests of each connection. If absent, a connection sends its next request after the answer. */
  everyMs?: number;
} & ({ http: { port: number; path: string; token?: string } } | { sql: { url: string; statements: Statement[] } });

/** A statement with a name is prepared once for each connection. */
export type Statement = { name?: string; text: string; values: unknown[] };

/**
 * Latencies in milliseconds, from the request to the last byte of the answer. Rejected requests (503 under too much load) are
 * included.
 */
export type Latencies = { p50: number; p95: number; p99: number; answers: number; rejected: number; perSecond: number };

/** The number of connections. The pool of a server has as many. */
const POOL_CONNECTIONS = 10;

/** Sends one request. Returns whether it was served. */
type Ask = () => Promise<boolean>;

async function run(load: Load): Promise<Latencies> {
  const { asks, close } = 'http' in load ? await openHttp(load.connections, load.http) : openSql(load);
  // Sends as many requests as the pool has connections, so that all connections are open before the measurement.
  await Promise.all(asks.slice(0, POOL_CONNECTIONS).map((ask) => ask()));
  const took: number[] = [];
  let rejected = 0;
  const begun = performance.now();
  const end = begun + load.seconds * 1000;
  await Promise.all(
    asks.map(async (ask, place) => {
      for (let next = begun + ((load.everyMs ?? 0) * place) / asks.length; ; next += load.everyMs ?? 0) {
        const wait = load.everyMs === undefined ? 0 : next - performance.now();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        const asked = load.everyMs === undefined ? performance.now() : Math.min(next + 1, performance.now());
        if (asked >= end) return;
        if (!(await ask())) rejected++;
        took.push(performance.now() - asked);
      }
    }),
  );
  const elapsed = (performance.now() - begun) / 1000;
  await close();
  took.sort((a, b) => a - b);
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? Number.NaN;
  return {
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    answers: took.length,
    rejected,
    perSecond: took.length / elapsed,
  };
}

async function openHttp(
  connections: number,
  http: { port: number; path: string; token?: string },
): Promise<{ asks: Ask[]; close(): Promise<void> }> {
  const authorization = http.token === undefined ? '' : `authorization: Bearer ${http.token}\r\n`;
  const request = `GET ${http.path} HTTP/1.1\r\nhost: 127.0.0.1:${http.port}\r\n${authorization}\r\n`;
  const sockets = await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect(http.port, '127.0.0.1');
      socket.setNoDelay(true);
      await once(socket, 'connect');
      return socket;
    }),
  );
  return {
    asks: sockets.map((socket) => () => exchange(socket, request)),
    close: async () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/**
 * Sends one request and reads its whole answer. It does less work than an HTTP client, so that the two cores are free for the
 * measured processes.
 */
function exchange(socket: Socket, request: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let left: number | undefined;
    let head = '';
    let served = true;
    const fail = (error?: Error) => reject(error ?? new Error('The server closed the connection'));
    const read = (chunk: Buffer) => {
      if (left !== undefined) {
        left -= chunk.length;
      } else {
        head += chunk.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        served = head.startsWith('HTTP/1.1 200');
        if (!served && !head.startsWith('HTTP/1.1 503'))
          return fail(new Error(`${request.split('\r\n', 1)[0]}: ${head}`));
        left = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]) - (head.length - end - 4);
      }
      if (left > 0) return;
      socket.off('data', read).off('error', fail).off('close', fail);
      resolve(served);
    };
    socket.on('data', read).once('error', fail).once('close', fail);
    socket.write(request);
  });
}

function openSql({ connections, sql }: { connections: number; sql: { url: string; statements: Statement[] } }): {
  asks: Ask[];
  close(): Promise<void>;
} {
  const pool = new pg.Pool({ connectionString: sql.url, max: Math.min(connections, POOL_CONNECTIONS) });
  const ask = async () => {
    for (const statement of sql.statements) await pool.query(statement);
    return true;
  };
  return { asks: Array.from({ length: connections }, () => ask), close: () => pool.end() };
}

process.on('message', (load: Load) => {
  run(load).then(
    (latencies) => process.send?.({ latencies }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
