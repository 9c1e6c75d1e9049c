// A reverse proxy between a client and a real registry. It makes the faults that a test requests.
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * The fault of a request. Either the proxy answers instead of the registry, or it closes the connection after this many bytes
 * of the body or the answer. -1 closes the connection before the head of the answer.
 */
type Fault =
  | { status: number; headers?: Record<string, string>; body?: string }
  | { cutRequestAfter: number }
  | { cutAnswerAfter: number };

export type FaultyProxy = {
  url: string;
  /** The received requests, each as `METHOD path?query`. */
  seen: string[];
  /** Called for each request. If it returns undefined, the request is forwarded. */
  fault: (request: IncomingMessage) => Fault | undefined;
  stop(): Promise<void>;
};

/** Starts a proxy. It forwards everything until `fault` is set. */
export async function startFaultyProxy(upstream: string): Promise<FaultyProxy> {
  const server = createServer((asked, answer) => {
    proxy.seen.push(`${asked.method} ${asked.url}`);
    const fault = proxy.fault(asked);
    if (fault !== undefined && 'status' in fault) {
      asked.resume();
      answer.writeHead(fault.status, { 'Content-Type': 'application/json', ...fault.headers }).end(fault.body);
      return;
    }
    pass({ asked, answer, upstream }, fault);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: FaultyProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    fault: () => undefined,
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return proxy;
}

type Passing = { asked: IncomingMessage; answer: ServerResponse; upstream: string };

function pass(
  { asked, answer, upstream }: Passing,
  fault?: { cutRequestAfter: number } | { cutAnswerAfter: number },
): void {
  // Keeps the Host header, so that addresses in the registry's answers lead to this proxy.
  const onward = request(new URL(asked.url ?? '/', upstream), {
    method: asked.method,
    headers: asked.headers,
    agent: false,
  });
  onward.on('error', () => answer.destroy());
  asked.on('error', () => onward.destroy());
  onward.on('response', (response) => {
    const most = fault !== undefined && 'cutAnswerAfter' in fault ? fault.cutAnswerAfter : Number.POSITIVE_INFINITY;
    if (most < 0) {
      asked.socket.destroy();
      return;
    }
    answer.writeHead(response.statusCode ?? 502, response.headers);
    response.on('error', () => answer.destroy());
    let sent = 0;
    response.on('data', (chunk: Buffer) => {
      sent += chunk.length;
      answer.write(sent > most ? chunk.subarray(0, chunk.length - (sent - most)) : chunk, () => {
        if (sent > most) {
          asked.socket.destroy();
          onward.destroy();
        }
      });
    });
    response.on('end', () => sent <= most && answer.end());
  });
  const most = fault !== undefined && 'cutRequestAfter' in fault ? fault.cutRequestAfter : Number.POSITIVE_INFINITY;
  let received = 0;
  asked.on('data', (chunk: Buffer) => {
    received += chunk.length;
    onward.write(received > most ? chunk.subarray(0, chunk.length - (received - most)) : chunk, () => {
      if (received > most) {
        asked.socket.destroy();
        onward.destroy();
      }
    });
  });
  asked.on('end', () => received <= most && onward.end());
}
