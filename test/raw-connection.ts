// Connections of hostile and slow clients. They can have any source address on loopback and send any bytes.
import { connect, type Socket } from 'node:net';

export type RawConnection = {
  socket: Socket;
  /** Returns everything that was received so far. */
  received(): string;
  /** Returns whether the server has ended its side or the connection broke. */
  isEnded(): boolean;
  /** Resolves when the connection is open or has failed. */
  connected: Promise<void>;
  /** Resolves, however the connection ends, with the time from its beginning to its end. */
  closed: Promise<number>;
};

/**
 * Connects from an address (default: 127.0.0.1) and sends the first bytes. The connection stays open after the server has
 * ended its side.
 */
export function openRaw(port: number, { from = '127.0.0.1', first }: { from?: string; first?: string }): RawConnection {
  const startedAt = performance.now();
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true });
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
  });
  socket.on('error', () => {});
  if (first !== undefined) socket.write(first);
  const closed = new Promise<number>((resolve) => socket.on('close', () => resolve(performance.now() - startedAt)));
  const connected = new Promise<void>((resolve) => socket.on('connect', resolve).on('close', () => resolve()));
  return { socket, received: () => text, isEnded: () => socket.destroyed || socket.readableEnded, connected, closed };
}

/**
 * How many connections are opened at once. This is less than the kernel queues for a server (511). Further connections would
 * wait for retransmissions.
 */
const AT_ONCE = 300;

/** Opens many connections. `ask` sends a request. Its answer shows that the server has accepted the earlier connections. */
export async function openMany(
  count: number,
  { open, ask }: { open: () => RawConnection; ask: () => Promise<unknown> },
): Promise<RawConnection[]> {
  const all: RawConnection[] = [];
  while (all.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - all.length) }, open);
    all.push(...some);
    await Promise.all(some.map(({ connected }) => connected));
    await ask();
  }
  return all;
}

/** Sends the same bytes repeatedly until the connection is closed. */
export function sendRepeatedly(
  { socket }: RawConnection,
  { everyMs, piece = 'x' }: { everyMs: number; piece?: string },
): void {
  const timer = setInterval(() => socket.write(piece), everyMs);
  socket.once('close', () => clearInterval(timer));
}

/** Returns the head of a request. */
export function headOf(method: string, path: string, headers: Record<string, string | number> = {}): string {
  const lines = Object.entries({ host: 'larder.test', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

export function closeAll(connections: Iterable<RawConnection>): void {
  for (const { socket } of connections) socket.destroy();
}
