// Makes one attempt of a product test at a service in a sandbox: runs a command, or sends an HTTP request or a few bytes over
// TCP.
import type { ChildProcess } from 'node:child_process';
import { request } from 'node:http';
import { Duplex } from 'node:stream';
import type { ProductTest } from '../../plan/image-plan.ts';
import { BoundedText } from '../../sandbox/bounded-text.ts';
import { lastLines } from '../../sandbox/build-log.ts';
import { findTool } from '../../sandbox/host-commands.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import type { SandboxCommand } from '../../sandbox/sandbox-command.ts';
import type { RunningCommand } from '../../sandbox/sandbox-run.ts';

export type Started = {
  sandbox: Sandbox;
  service: RunningCommand;
  /** The command of the service. The command of a test runs with the same user, variables and files. */
  command: SandboxCommand;
  signal: AbortSignal | undefined;
};

export type Attempt = {
  passed: boolean;
  /** The answer of the service, for the report. */
  output: string;
};

/** The most bytes of an answer that are read and checked. No test needs more. */
const ANSWER_BYTES_MAX = 256 * 1024;

/** Makes one attempt within the remaining time. A fault of the service is returned and not thrown. */
export async function attemptTest(test: ProductTest, started: Started, leftMs: number): Promise<Attempt> {
  if (test.kind === 'exec') return await attemptExec(test, started, leftMs);
  if (test.kind === 'http') return await attemptHttp(test, started, leftMs);
  return await attemptTcp(test, started, leftMs);
}

type Kind<Name extends ProductTest['kind']> = Extract<ProductTest, { kind: Name }>;

async function attemptExec(
  test: Kind<'exec'>,
  { sandbox, service, command, signal }: Started,
  leftMs: number,
): Promise<Attempt> {
  const stdout = new BoundedText(ANSWER_BYTES_MAX);
  const all = new BoundedText(ANSWER_BYTES_MAX);
  try {
    const exit = await sandbox.run(
      { ...command, command: test.command, environment: { ...command.environment, ...test.environment } },
      {
        beside: service,
        wallClockMs: leftMs,
        signal,
        onOutput: (chunk, stream) => {
          all.add(chunk);
          if (stream === 'stdout') stdout.add(chunk);
        },
      },
    );
    const passed = exit.code === (test.exit_code ?? 0) && stdout.text.includes(test.stdout ?? '');
    return { passed, output: `${lastLines(all.text)}\n[exit code ${exit.code}]` };
  } catch (error) {
    return failed(error, signal);
  }
}

/**
 * Returns a failed attempt for an error, for example because the service and its namespaces have ended. If the signal is
 * aborted, throws the signal's reason.
 */
function failed(error: unknown, signal: AbortSignal | undefined): Attempt {
  signal?.throwIfAborted();
  return { passed: false, output: error instanceof Error ? error.message : String(error) };
}

/** Sends the request over the pipe and reads the answer with Node's HTTP parser. */
async function attemptHttp(test: Kind<'http'>, started: Started, leftMs: number): Promise<Attempt> {
  return await connected(
    started,
    test.port,
    async (socket) => {
      const { status, body } = await new Promise<{ status: number; body: string }>((resolve, reject) => {
        const sent = request(
          {
            createConnection: () => socket as never,
            host: 'localhost',
            port: test.port,
            path: test.path,
            headers: { connection: 'close' },
          },
          (answer) => {
            const body = new BoundedText(ANSWER_BYTES_MAX);
            const done = () => resolve({ status: answer.statusCode ?? 0, body: body.text });
            // Only the beginning of a long or endless page is read and checked.
            answer.on('data', (chunk: Buffer) => {
              if (!body.add(chunk)) done();
            });
            answer.on('end', done);
            answer.on('error', reject);
          },
        );
        sent.on('error', reject);
        sent.end();
      });
      const passed = status === test.status && body.includes(test.body ?? '');
      return { passed, output: `HTTP status ${status}\n${lastLines(body)}` };
    },
    leftMs,
  );
}

async function attemptTcp(test: Kind<'tcp'>, started: Started, leftMs: number): Promise<Attempt> {
  return await connected(
    started,
    test.port,
    async (socket) => {
      if (test.send !== undefined) socket.write(test.send);
      if (test.receive === undefined) {
        // CONNECT has printed its byte, so the port is open. The service itself need not send anything.
        return { passed: true, output: `connected to port ${test.port}` };
      }
      const answer = new BoundedText(ANSWER_BYTES_MAX);
      // A service may send single bytes. So each search begins shortly before the new bytes, and not at the start of the
      // answer.
      let searched = 0;
      for await (const chunk of socket) {
        const hasSpace = answer.add(chunk as Buffer);
        if (answer.text.includes(test.receive, Math.max(0, searched - test.receive.length)) || !hasSpace) break;
        searched = answer.text.length;
      }
      return { passed: answer.text.includes(test.receive), output: lastLines(answer.text) };
    },
    leftMs,
  );
}

/**
 * Prints one byte when the connection is open, and then copies bytes in both directions. Run it with `--norc`: Node's pipes
 * are sockets, and bash would treat a socket as a remote shell and read its startup files.
 */
const CONNECT = `exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1; printf '+'; cat <&3 & exec cat >&3`;

async function connected(
  { sandbox, service, signal }: Started,
  port: number,
  use: (socket: Duplex) => Promise<Attempt>,
  leftMs: number,
): Promise<Attempt> {
  let child: ChildProcess | undefined;
  const late = Promise.withResolvers<never>();
  // The race below handles this rejection. If the timeout comes before the race, the rejection would count as unhandled
  // without this.
  late.promise.catch(() => undefined);
  const timer = setTimeout(() => {
    late.reject(new Error(`port ${port} did not answer in time`));
  }, leftMs);
  try {
    child = await sandbox.connect(service, [
      findTool('bash') ?? 'bash',
      '--norc',
      '-c',
      CONNECT,
      'connect',
      String(port),
    ]);
    const { stdin, stdout } = child;
    if (stdin === null || stdout === null)
      throw new Error('The process that connects to the port has no stdin or stdout pipe');
    stdin.on('error', () => undefined);
    // Background processes of bash may keep the pipes open after bash has ended. So the timeout decides, and not the end of
    // the pipes.
    const first = await Promise.race([firstByte(child), late.promise]);
    if (!first) return { passed: false, output: `port ${port} refuses connections` };
    const socket = Duplex.from({ readable: stdout, writable: stdin });
    // A test stops reading when it has its answer. Without a handler, the end of the pipes would then be an unhandled error.
    socket.on('error', () => undefined);
    const using = use(socket);
    // After a timeout, nothing waits for `using`. So its error at the end of the pipes is ignored.
    using.catch(() => undefined);
    return await Promise.race([using, late.promise]);
  } catch (error) {
    return failed(error, signal);
  } finally {
    clearTimeout(timer);
    child?.kill('SIGKILL');
    child?.stdin?.destroy();
    child?.stdout?.destroy();
  }
}

/** Reads the byte that CONNECT prints. Returns false if the program ends without printing it. */
function firstByte(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(false));
    child.stdout?.once('end', () => resolve(false));
    child.stdout?.once('readable', () => resolve(child.stdout?.read(1) !== null));
  });
}
