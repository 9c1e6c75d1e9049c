// An engine process. It runs the tasks of its worker one after the other, and ends when the worker ends. It has no secret and
// no database connection.
import { flushCompileCache } from 'node:module';
import { openDiskContent } from '../content/disk.ts';
import type { LayerCache } from '../packaging/image/layer-cache.ts';
import type { Exclusive } from '../sandbox/exclusive.ts';
import type { Workspace } from '../sandbox/workspace.ts';
import {
  type EngineCalls,
  type EngineSetup,
  type FromEngine,
  receivedError,
  sentError,
  type ToEngine,
} from './messages.ts';
import { type EngineContext, type EngineTask, engineTasks } from './tasks.ts';

type Waiting = { resolve(output: unknown): void; reject(error: Error): void };

const calls = new Map<number, Waiting>();
let called = 0;
let workspace: Promise<Workspace> | undefined;
let controller = new AbortController();
let compiledStored = false;

function send(message: FromEngine): void {
  process.send?.(message);
}

/** Calls the worker and returns its reply. Throws if the task is aborted before the reply. */
async function call<T extends keyof EngineCalls>(
  to: T,
  input: EngineCalls[T]['input'],
): Promise<EngineCalls[T]['output']> {
  const { signal } = controller;
  signal.throwIfAborted();
  const number = ++called;
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const abort = (): void => reject(signal.reason as Error);
  calls.set(number, { resolve, reject });
  signal.addEventListener('abort', abort, { once: true });
  try {
    send({ call: number, to, input });
    return (await promise) as EngineCalls[T]['output'];
  } finally {
    calls.delete(number);
    signal.removeEventListener('abort', abort);
  }
}

const layers: LayerCache = {
  get: (key) => call('get-layer', { key }),
  set: (key, layer) => call('set-layer', { key, layer }),
};

/**
 * Runs work under a lock of the worker. If the task was aborted, does not unlock, because the worker releases all locks of an
 * aborted task.
 */
const exclusive: Exclusive = async (name, work) => {
  await call('lock', { name });
  try {
    return await work();
  } finally {
    if (!controller.signal.aborted) await call('unlock', { name });
  }
};

async function openWorkspace({ contentDirectory, ...setup }: EngineSetup): Promise<Workspace> {
  return { ...setup, content: await openDiskContent(contentDirectory), exclusive };
}

/**
 * Stores the compiled code after the first task, which has loaded most of the code. Node would store it only at a normal
 * exit, but engine processes are killed.
 */
function storeCompiledCode(): void {
  if (compiledStored) return;
  compiledStored = true;
  flushCompileCache();
}

async function run(task: EngineTask, input: unknown): Promise<void> {
  controller = new AbortController();
  try {
    if (workspace === undefined) throw new Error('A task arrived before the setup');
    const log = { write: (bytes: Buffer) => send({ log: bytes }) };
    const context: EngineContext = { workspace: await workspace, log, layers, signal: controller.signal };
    const act = engineTasks[task] as (given: unknown, context: EngineContext) => Promise<unknown>;
    send({ done: await act(input, context) });
    storeCompiledCode();
  } catch (error) {
    send({ failed: sentError(error) });
  }
}

process.on('message', (message: ToEngine) => {
  if ('setup' in message) {
    workspace = openWorkspace(message.setup);
    // If the content folder cannot be opened, the task that needs it fails with this error. Until then, the rejection must
    // not end the process.
    workspace.catch(() => undefined);
  } else if ('run' in message) void run(message.run, message.input);
  else if ('abort' in message) controller.abort(new Error('The task was aborted'));
  else if (message.error !== undefined) calls.get(message.reply)?.reject(receivedError(message.error));
  else calls.get(message.reply)?.resolve(message.output);
});
process.on('disconnect', () => process.exit());
