// The interface of the engine for jobs. It runs a task and returns its result, in this process or in another one.
import type { LayerCache } from '../packaging/image/layer-cache.ts';
import type { LogSink } from '../sandbox/build-log.ts';
import type { Workspace } from '../sandbox/workspace.ts';
import { type EngineTask, type EngineTasks, engineTasks } from './tasks.ts';

export type EngineOptions = {
  /** Receives the task's log while the task runs. If absent, the log is discarded. */
  log?: LogSink;
  /** The table of layers that were built before. If absent, every layer is built. */
  layers?: LayerCache;
  signal?: AbortSignal | undefined;
};

export interface Engine {
  /**
   * Runs a task. Throws the errors of the task. If the signal is aborted, throws its reason. If the process ends before the
   * task, throws EngineProcessDied.
   */
  run<T extends EngineTask>(
    task: T,
    input: EngineTasks[T]['input'],
    options?: EngineOptions,
  ): Promise<EngineTasks[T]['output']>;
  close(): Promise<void>;
}

/** The error for a task whose process ended before the task. */
export class EngineProcessDied extends Error {
  override readonly name = 'EngineProcessDied';
}

export const NO_LAYERS: LayerCache = { get: async () => undefined, set: async () => undefined };

/** Returns an engine that runs tasks in this process. */
export function engineHere(workspace: Workspace): Engine {
  return {
    run: (task, input, { log = { write: () => undefined }, layers = NO_LAYERS, signal } = {}) =>
      engineTasks[task](input, { workspace, log, layers, signal: signal ?? new AbortController().signal }),
    close: async () => undefined,
  };
}
