// Messages between a worker and its engine processes. They use Node's channel with structured clones (v8.serialize).
import { outOfSpaceCode } from '../content/out-of-space.ts';
import type { BuiltLayer } from '../oci/layer.ts';
import { BuildError, type BuildErrorOptions } from '../sandbox/build-error.ts';
import type { Workspace } from '../sandbox/workspace.ts';
import type { EngineTask } from './tasks.ts';

/** The folders, the sandbox mode and helm for an engine process. They are sent once, before the first task. */
export type EngineSetup = Pick<Workspace, 'directory' | 'probe' | 'helm'> & { contentDirectory: string };

/**
 * The calls from a task to its worker. They concern the table of built layers, and the locks that all engine processes of a
 * worker share.
 */
export type EngineCalls = {
  'get-layer': { input: { key: string }; output: BuiltLayer | undefined };
  'set-layer': { input: { key: string; layer: BuiltLayer }; output: undefined };
  lock: { input: { name: string }; output: undefined };
  unlock: { input: { name: string }; output: undefined };
};

export type ToEngine =
  | { setup: EngineSetup }
  | { run: EngineTask; input: unknown }
  | { abort: true }
  | { reply: number; output?: unknown; error?: SentError };

export type FromEngine =
  | { call: number; to: keyof EngineCalls; input: unknown }
  | { log: Uint8Array }
  | { done: unknown }
  | { failed: SentError };

/** A serialized error. It has the code and the fields by which jobs distinguish errors. */
export type SentError = {
  name: string;
  message: string;
  stack?: string | undefined;
  code?: string;
  build?: Pick<BuildErrorOptions, 'step' | 'cause_kind' | 'customization'>;
};

export function sentError(error: unknown): SentError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { code } = error as NodeJS.ErrnoException;
  const noSpace = outOfSpaceCode(error);
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    ...(typeof code === 'string' && { code }),
    // The cause of an error is not sent, except the code of a full disk. Jobs need this code, because a full disk is not a
    // fault of the image.
    ...(noSpace !== undefined && { code: noSpace }),
    ...(error instanceof BuildError && { build: optionsOf(error) }),
  };
}

function optionsOf({ step, cause_kind, customization }: BuildError): NonNullable<SentError['build']> {
  return { step, cause_kind, ...(customization && { customization }) };
}

/** Converts a received error to the error that this process throws. */
export function receivedError({ name, message, stack, code, build }: SentError): Error {
  if (build !== undefined) return Object.assign(new BuildError(message, build), code !== undefined && { code });
  const error = Object.assign(new Error(message), { name, ...(code !== undefined && { code }) });
  if (stack !== undefined) error.stack = stack;
  return error;
}
