// One try of one product test against a service that runs in a sandbox: a command beside it, an HTTP request, or a few bytes over TCP.
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
  /** How the service was started: a test's command gets the same user, variables and files. */
  command: SandboxCommand;
  signal: AbortSignal | undefined;
};

export type Attempt = { passed: boolean /** What came back, for the report. */; output: string };

/** A page or an answer longer than this is no test's business. */
const ANSWER_BYTES_MAX = 256 * 1024;

/** Tries once, within the time that is left. Never throws for what the service does. */
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

/** The service may have ended, and its namespaces with it: that is the test's answer. An abort is not. */
function failed(error: unknown, signal: AbortSignal | undefined): Attempt {
  signal?.throwIfAborted();
  return { passed: false, output: error instanceof Error ? error.message : String(error) };
}

/** Node's own parser reads the answer; the connection is the pipe's. */
async function attemptHttp(test: Kind<'http'>, started: Started, leftMs: number): Promise<Attempt> {
  return await connected(
    started,
    test.port,
    async (socket) => {
      const { status, body } = await new Promise<{ status: number; body: string }>((resolve, reject) => {
        const asked = request(
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
            // What is there is checked; the rest of a longer page, or of one without end, is not read.
            answer.on('data', (chunk: Buffer) => {
              if (!body.add(chunk)) done();
            });
            answer.on('end', done);
            answer.on('error', reject);
          },
        );
        asked.on('error', reject);
        asked.end();
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
        // The pipe says that it is through before anything else (CONNECT); a service need not speak first.
        return { passed: true, output: `connected to port ${test.port}` };
      }
      const answer = new BoundedText(ANSWER_BYTES_MAX);
      // A service may send byte by byte: only what is new, and what it may complete, is searched.
      let searched = 0;
      for await (const chunk of socket) {
        const goesOn = answer.add(chunk as Buffer);
        if (answer.text.includes(test.receive, Math.max(0, searched - test.receive.length)) || !goesOn) break;
        searched = answer.text.length;
      }
      return { passed: answer.text.includes(test.receive), output: lastLines(answer.text) };
    },
    leftMs,
  );
}

/** `--norc`, because a bash whose input is a socket, as Node's pipes are, believes that it is a remote shell. Says one byte when the connection stands, then carries bytes both ways. */
const CONNECT = `exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1; printf '+'; cat <&3 & exec cat >&3`;

async function connected(
  { sandbox, service, signal }: Started,
  port: number,
  use: (socket: Duplex) => Promise<Attempt>,
  leftMs: number,
): Promise<Attempt> {
  let child: ChildProcess | undefined;
  const late = Promise.withResolvers<never>();
  // Only the race below listens; before it begins an early end must not count as unheard.
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
    if (stdin === null || stdout === null) throw new Error('the connection has no pipes');
    stdin.on('error', () => undefined);
    // What bash left in the background may hold the pipes open after bash is gone: the clock decides, not their end.
    const first = await Promise.race([firstByte(child), late.promise]);
    if (!first) return { passed: false, output: `port ${port} refuses connections` };
    const socket = Duplex.from({ readable: stdout, writable: stdin });
    // A test that has its answer reads no further, and the end of the pipes below would be an error that nothing handles.
    socket.on('error', () => undefined);
    const using = use(socket);
    // When the clock wins, the end of the pipes is nobody's news.
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

/** Takes the byte that says that the connection stands; false when the program ends without one. */
function firstByte(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(false));
    child.stdout?.once('end', () => resolve(false));
    child.stdout?.once('readable', () => resolve(child.stdout?.read(1) !== null));
  });
}
