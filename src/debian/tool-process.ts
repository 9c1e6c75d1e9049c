// Runs a tool of this machine on untrusted data. Its resources and output are limited. A tool that exceeds a limit is ended.
import { type ChildProcess, spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';

export type ToolLimits = {
  /** The most bytes of standard output. A tool that prints more is ended. */
  outputBytesMax: number;
  wallClockMs: number;
  /** The largest address space in bytes, and the most processor time, of each process (prlimit(1)). */
  memoryBytesMax: number;
  cpuSecondsMax: number;
  /** The largest file that the tool may write, in bytes. If absent, files are not limited. */
  fileBytesMax?: number;
};

export type ToolResult = {
  /** The exit code. Null if a signal ended the tool. */
  status: number | null;
  output: Buffer;
  /** The beginning of the tool's standard error. */
  errors: string;
  /** The limit that ended the tool. */
  stopped?: 'OUTPUT' | 'TIME';
};

export type ToolOptions = {
  limits: ToolLimits;
  stdin?: AsyncIterable<Uint8Array>;
  signal?: AbortSignal | undefined;
};

/** The most bytes of standard error. Further bytes are dropped. */
const ERRORS_BYTES_MAX = 1024 * 1024;

/**
 * Runs the tool to its end. Throws the error of spawn if the tool cannot be started or `signal` ends it. Throws errors of
 * `stdin`.
 */
export async function runTool(command: string[], { limits, stdin, signal }: ToolOptions): Promise<ToolResult> {
  const child = spawn('prlimit', [...limitArguments(limits), ...command], {
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(signal ? { signal } : {}),
  });
  let stopped: ToolResult['stopped'];
  const stop = (reason: 'OUTPUT' | 'TIME') => {
    stopped ??= reason;
    child.kill('SIGKILL');
    // Closes the pipes. This ends processes that the shell left in the background, because their next write fails.
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

/** Returns a sentence about the limit that ended the tool, or undefined if no limit ended it. */
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

/** Writes to the tool. If the tool closes the pipe early, this is no error. */
async function feed(child: ChildProcess, bytes: AsyncIterable<Uint8Array> | undefined): Promise<void> {
  if (bytes === undefined || child.stdin === null) return;
  await pipeline(bytes, child.stdin).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EPIPE' && cause.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw cause;
  });
}
