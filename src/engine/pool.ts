// The engine processes of a worker. A process runs one task after another. It is replaced when it uses too much memory or has
// died. All processes share the worker's locks.
import type { Logger } from 'pino';
import type { Digest } from '../oci/descriptor.ts';
import type { BuiltLayer } from '../oci/layer.ts';
import { keyedLocks } from '../sandbox/exclusive.ts';
import { type CallHandler, type ChildOptions, type EngineChild, startEngineChild } from './child.ts';
import { type Engine, type EngineOptions, EngineProcessDied, NO_LAYERS } from './engine.ts';

export type PoolOptions = ChildOptions & { log: Pick<Logger, 'warn'> };

/**
 * An idle process that uses more bytes of memory than this is replaced. In a smaller process, the next task collects the
 * garbage of the last one.
 */
const REST_BYTES_MAX = 320 * 1024 ** 2;
/**
 * A process without a task for this long is ended, to free its memory. The pauses between the builds of one wave are shorter.
 */
const IDLE_MS = 60_000;

type Idle = { child: EngineChild; timer: NodeJS.Timeout };

/**
 * Opens a pool. It starts a process when a task finds no idle process. So it has as many processes as tasks that run at the
 * same time.
 */
export function openEnginePool({ log, ...how }: PoolOptions): Engine {
  const locks = keyedLocks();
  const idle: Idle[] = [];
  const all = new Set<EngineChild>();

  function take(): EngineChild {
    for (let kept = idle.pop(); kept !== undefined; kept = idle.pop()) {
      clearTimeout(kept.timer);
      if (kept.child.alive) return kept.child;
      all.delete(kept.child);
    }
    const child = startEngineChild(how);
    all.add(child);
    return child;
  }

  async function drop(child: EngineChild): Promise<void> {
    all.delete(child);
    await child.end();
  }

  /**
   * Keeps a process for the next task. Ends the process if its last task failed or was aborted, or if it uses too much
   * memory.
   */
  async function giveBack(child: EngineChild, succeeded: boolean): Promise<void> {
    if (!succeeded || !child.alive || child.memoryBytes() > REST_BYTES_MAX) return await drop(child);
    const timer = setTimeout(() => {
      idle.splice(
        idle.findIndex((one) => one.child === child),
        1,
      );
      void drop(child);
    }, IDLE_MS);
    timer.unref();
    idle.push({ child, timer });
  }

  return {
    async run(task, input, options = {}) {
      options.signal?.throwIfAborted();
      const child = take();
      const session = openSession(locks, options);
      let succeeded = false;
      try {
        const output = await child.run(task, input, { ...options, onCall: session.onCall });
        succeeded = true;
        return output;
      } catch (error) {
        if (error instanceof EngineProcessDied)
          log.warn({ err: error, last_errors: child.lastErrors() }, 'an engine process died');
        throw error;
      } finally {
        session.end();
        await giveBack(child, succeeded);
      }
    },
    async close() {
      for (const { timer } of idle) clearTimeout(timer);
      await Promise.all([...all].map(drop));
    },
  };
}

/** Handles the calls of one task. Releases its locks when the task ends. */
function openSession(
  locks: ReturnType<typeof keyedLocks>,
  { layers = NO_LAYERS }: EngineOptions,
): { onCall: CallHandler; end(): void } {
  const held = new Map<string, () => void>();
  const over = new AbortController();
  const calls: Record<string, (input: never) => Promise<unknown>> = {
    'get-layer': ({ key }: { key: Digest }) => layers.get(key),
    'set-layer': ({ key, layer }: { key: Digest; layer: BuiltLayer }) => layers.set(key, layer),
    lock: async ({ name }: { name: string }) => {
      const release = await locks.acquire(name, over.signal);
      if (over.signal.aborted) release();
      else held.set(name, release);
    },
    unlock: async ({ name }: { name: string }) => {
      held.get(name)?.();
      held.delete(name);
    },
  };
  return {
    onCall: async (to, input) => await calls[to]?.(input),
    end() {
      over.abort(new Error('The task has ended'));
      for (const release of held.values()) release();
    },
  };
}
