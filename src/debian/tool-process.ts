// Runs a tool of this machine on untrusted data. Resources and output are limited, and the tool is ended when it exceeds a limit.
import { type ChildProcess, spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';

export type ToolLimits = {
  /** Limit of standard output; a tool that prints more is ended. */
  outputBytesMax: number;
  wallClockMs: number;
  /** Limits of address space and processor time for each process (prlimit(1)). */
  memoryBytesMax: number;
  cpuSecondsMax: number;
  /** Limit of each file that the tool writes; unlimited when absent. */
  fileBytesMax?: number;
};

export type ToolResult = {
  /** null if a signal ended the tool. */
  status: number | null;
  output: Buffer;
  /** The beginning of what the tool wrote to standard error. */
  errors: string;
  /** The limit that ended the tool. */
  stopped?: 'OUTPUT' | 'TIME';
};

export type ToolOptions = {
  limits: ToolLimits;
  stdin?: AsyncIterable<Uint8Array>;
  signal?: AbortSignal | undefined;
};

/** Limit of standard error; further bytes are dropped. */
const ERRORS_BYTES_MAX = 1024 * 1024;

/** Runs the tool to its end. Throws the error of spawn if the tool cannot be started or `signal` ends it, and errors of `stdin`. */
export async function runTool(command: string[], { limits, stdin, signal }: ToolOptions): Promise<ToolResult> {
  const child = spawn('prlimit', [...limitArguments(limits), ...command], {
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(signal ? { signal } : {}),
  });
  let stopped: ToolResult['stopped'];
  const stop = (reason: 'OUTPUT' | 'TIME') => {
    stopped ??= reason;
    child.kill('SIGKILL');
    // Closing the pipes ends processes that the shell left running in the background: their next write fails.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
  };
  const timer = setTimeout(() => stop('TIME'), limits.wallClockMs);
  const output = readOutput(child.stdout, limits.outputBytesMax, () => stop('OUTPUT'));
  const errors = readOutput(child.stderr, ERRORS_BYTES_MAX, () => undefined);
  try {
    const [status] = await Promise.all([endOf(child), feed(child, stdin)]);
    const result = { status, output: Buffer.concat(output), errors: Buffer.concat(errors).toString('utf8') };
    return stopped === undefined ? result : { ...result, stopped };
  } finally {
    clearTimeout(timer);
  }
}

/** Returns a sentence about the limit that ended the tool; undefined if no limit did. */
export function stoppedReason(name: string, { stopped }: ToolResult, limits: ToolLimits): string | undefined {
  if (stopped === 'TIME') return `${name} did not end within ${Math.round(limits.wallClockMs / 1000)} seconds`;
  if (stopped === 'OUTPUT') return `${name} printed more than ${limits.outputBytesMax} bytes`;
  return undefined;
}

function limitArguments({ memoryBytesMax, cpuSecondsMax, fileBytesMax }: ToolLimits): string[] {
  const file = fileBytesMax === undefined ? [] : [`--fsize=${fileBytesMax}`];
  return [`--as=${memoryBytesMax}`, `--cpu=${cpuSecondsMax}`, ...file];
}

function readOutput(stream: ChildProcess['stdout'], bytesMax: number, tooMuch: () => void): Buffer[] {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= bytesMax) chunks.push(chunk);
    else tooMuch();
  });
  return chunks;
}

function endOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
}

/** Writes to the tool. It is not an error if the tool closes the pipe early. */
async function feed(child: ChildProcess, bytes: AsyncIterable<Uint8Array> | undefined): Promise<void> {
  if (bytes === undefined || child.stdin === null) return;
  await pipeline(bytes, child.stdin).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EPIPE' && cause.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw cause;
  });
}
