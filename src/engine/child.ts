// An engine process, as its worker controls it. It starts in a control group with a memory limit and runs one task at a time.
// It is killed if its task does not end after an abort.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { findTool } from '../sandbox/host-commands.ts';
import { openResourceGroup, type ResourceGroup } from '../sandbox/resource-control.ts';
import { memoryOf, watchProcesses } from '../sandbox/watchdog.ts';
import { type EngineOptions, EngineProcessDied } from './engine.ts';
import type { EngineSetup, FromEngine, ToEngine } from './messages.ts';
import { receivedError } from './messages.ts';
import type { EngineTask, EngineTasks } from './tasks.ts';

const MIB = 1024 ** 2;

/**
 * The memory limit of an engine process. A new process uses 55 MiB, and the largest merged listing that Larder accepts uses
 * 80 MiB more (tar/entry-table.ts). No image that can be built makes a process reach this limit.
 */
export const ENGINE_MEMORY_BYTES = 1024 * MIB;
/**
 * The limit of V8's heap. It is lower than the limit of the group, so that in most cases V8 can print its last messages
 * before the process ends.
 */
const HEAP_MIB = 640;
/**
 * The most processes in the control group. In addition to the engine, these are tar, rm and other tools of this machine, with
 * their shells.
 */
const ENGINE_PROCESSES = 512;
/**
 * How long an aborted task may take to end. After that, its process is killed. Ending a sandbox takes some 50 ms, and a
 * cancellation must take at most 2 s.
 */
const ABORT_MS = 1_000;
const STDERR_BYTES_MAX = 8 * 1024;
/**
 * The folder, in the worker's folder, for compiled code of the engine. With it, a process starts in half the time. The worker
 * does not read it, because engine processes can write to it and they handle untrusted images.
 */
const COMPILED = 'compiled';

/** Handles the calls from a running task to its worker. */
export type CallHandler = (to: string, input: never) => Promise<unknown>;

export type EngineChild = {
  /** Runs a task to its end. Throws EngineProcessDied if the process ends before the task. */
  run<T extends EngineTask>(
    task: T,
    input: EngineTasks[T]['input'],
    options: EngineOptions & { onCall: CallHandler },
  ): Promise<EngineTasks[T]['output']>;
  /** True until the process has ended. */
  readonly alive: boolean;
  /** Returns the resident memory in bytes. Returns 0 if the process has ended. */
  memoryBytes(): number;
  /** Returns the end of the process's standard error, such as V8's messages about its heap, or a stack. */
  lastErrors(): string;
  end(): Promise<void>;
};

export type ChildOptions = {
  setup: EngineSetup;
  /** The environment variables of the process. */
  environment: NodeJS.ProcessEnv;
  /** Further options of Node. Every engine process has some options already. */
  flags?: readonly string[];
};

/** Starts a process. It accepts a task immediately. */
export function startEngineChild({ setup, ...how }: ChildOptions): EngineChild {
  const { child, group } = spawnEngine(setup, how);
  const state: State = { child, group, errors: '', exceeded: undefined, task: undefined, death: undefined };
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const watchdog = group === undefined ? watchMemory(state) : undefined;
  child.stderr?.on('data', (chunk: Buffer) => {
    state.errors = (state.errors + chunk.toString()).slice(-STDERR_BYTES_MAX);
  });
  child.on('message', (message: FromEngine) => state.task?.onMessage(message));
  // Nothing to do here. If the channel breaks, the process ends, and its end is handled below.
  child.on('error', () => undefined);
  child.once('close', (code, signal) => {
    watchdog?.stop();
    state.death = deathOf(state, { code, signal });
    state.task?.onDeath(state.death);
    void group?.close();
  });
  send(child, { setup });
  return {
    get alive() {
      return child.exitCode === null && child.signalCode === null && child.connected;
    },
    run: (task, input, options) => runTask(state, { task, input, options }) as never,
    memoryBytes: () => (child.pid === undefined ? 0 : memoryOf(child.pid)),
    lastErrors: () => state.errors,
    async end() {
      child.kill('SIGKILL');
      await ended;
      await group?.close();
    },
  };
}

type State = {
  child: ChildProcess;
  group: ResourceGroup | undefined;
  errors: string;
  exceeded: string | undefined;
  task: { onMessage(message: FromEngine): void; onDeath(error: Error): void } | undefined;
  /**
   * Set when the process has ended, so that a later task fails at once. The later task would otherwise wait forever, because
   * the process ends only once.
   */
  death: EngineProcessDied | undefined;
};

function spawnEngine(
  { probe, directory }: EngineSetup,
  { environment, flags = [] }: Omit<ChildOptions, 'setup'>,
): { child: ChildProcess; group: ResourceGroup | undefined } {
  const extension = import.meta.filename.endsWith('.ts') ? 'ts' : 'js';
  const entry = join(import.meta.dirname, `engine-process.${extension}`);
  const node = [process.execPath, ...flags, `--max-old-space-size=${HEAP_MIB}`, entry];
  const setpriv = findTool('setpriv');
  const mortal = setpriv === undefined ? node : [setpriv, '--pdeathsig', 'KILL', ...node];
  const group =
    probe.mode === 'files-only'
      ? undefined
      : openResourceGroup(probe.host.control, { memoryBytes: ENGINE_MEMORY_BYTES, processes: ENGINE_PROCESSES });
  const [program = '', ...args] = group === undefined ? mortal : group.enter(mortal);
  const child = spawn(program, args, {
    env: { ...environment, NODE_COMPILE_CACHE: join(directory, COMPILED) },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
    // The process has its own process group, so that Ctrl-C in a terminal signals only the worker. The worker then stops the
    // engine process, and the job does not count as crashed.
    detached: true,
  });
  return { child, group };
}

function watchMemory(state: State): { stop(): void } {
  const { pid } = state.child;
  return watchProcesses({
    roots: () => (pid === undefined ? [] : [pid]),
    limits: { memoryBytes: ENGINE_MEMORY_BYTES, processes: ENGINE_PROCESSES },
    alone: true,
    onExceeded: (limit) => {
      state.exceeded = limit;
      state.child.kill('SIGKILL');
    },
  });
}

function deathOf(
  { group, exceeded, errors }: State,
  { code, signal }: { code: number | null; signal: NodeJS.Signals | null },
): EngineProcessDied {
  const limit = exceeded ?? group?.exceeded();
  const subject = 'The process of this task';
  if (limit === 'memory' || /heap out of memory|Reached heap limit/.test(errors)) {
    return new EngineProcessDied(`${subject} used more than ${ENGINE_MEMORY_BYTES / MIB} MiB of memory and was ended`);
  }
  if (limit === 'processes') {
    return new EngineProcessDied(`${subject} started more than ${ENGINE_PROCESSES} processes and was ended`);
  }
  return new EngineProcessDied(`${subject} ended unexpectedly (${signal ?? `exit code ${code}`})`);
}

type Run = { task: EngineTask; input: unknown; options: EngineOptions & { onCall: CallHandler } };

async function runTask(state: State, { task, input, options }: Run): Promise<unknown> {
  const { child } = state;
  const { signal, log, onCall } = options;
  signal?.throwIfAborted();
  if (state.death !== undefined) throw state.death;
  if (state.task !== undefined) throw new Error('An engine process runs one task at a time');
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  let timer: NodeJS.Timeout | undefined;
  const abort = (): void => {
    send(child, { abort: true });
    timer = setTimeout(() => child.kill('SIGKILL'), ABORT_MS);
  };
  state.task = {
    onDeath: reject,
    onMessage(message) {
      if ('log' in message) log?.write(Buffer.from(message.log));
      else if ('done' in message) resolve(message.done);
      else if ('failed' in message) reject(receivedError(message.failed));
      else answer(child, message, onCall);
    },
  };
  signal?.addEventListener('abort', abort, { once: true });
  try {
    send(child, { run: task, input });
    return await promise;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    state.task = undefined;
  }
}

function answer(
  child: ChildProcess,
  { call, to, input }: Extract<FromEngine, { call: number }>,
  onCall: CallHandler,
): void {
  onCall(to, input as never).then(
    (output) => send(child, { reply: call, output }),
    // Sends only the name and the message of an error, because a database error has more fields, which may contain data.
    (error: Error) => send(child, { reply: call, error: { name: error.name, message: error.message } }),
  );
}

/** Sends a message. Does nothing if the process has just ended, because its end is reported in another way. */
function send(child: ChildProcess, message: ToEngine): void {
  if (child.connected) child.send(message, () => undefined);
}
