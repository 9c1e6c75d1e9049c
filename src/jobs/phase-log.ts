// The log of a phase, which the worker writes to content while the phase runs.
import { PassThrough } from 'node:stream';
import type { ContentStore } from '../content/content.ts';
import { PHASE_LOGS, reportFile } from '../contract/report-kinds.ts';
import type { MetadataFile, PhaseType } from '../contract/vocabulary.ts';
import { boundedSink, LOG_BYTES_MAX } from '../sandbox/build-log.ts';

/**
 * The most bytes of the log of a phase. A phase may run several tasks. For example, the search for the customization that
 * breaks a test runs many tasks. So this limit is larger than the limit of one task's log, and the worker's own lines and the
 * beginnings of later logs fit too.
 */
export const PHASE_LOG_BYTES_MAX = LOG_BYTES_MAX + LOG_BYTES_MAX / 2;

export type PhaseLog = {
  /**
   * Writes output of a task or a line of the worker. If the limit is exceeded, drops the text, and writes a line about this
   * once.
   */
  write(text: Uint8Array | string): void;
  /** Ends the log and returns its file. Returns an empty list if nothing was written. */
  close(): Promise<MetadataFile[]>;
  /** Ends the log without storing it. Does nothing after `close`. */
  drop(): void;
};

/** Opens the log of a phase. `bytesMax` is for tests. */
export function openPhaseLog(
  content: ContentStore,
  phase: PhaseType,
  { bytesMax = PHASE_LOG_BYTES_MAX }: { bytesMax?: number } = {},
): PhaseLog {
  const stream = new PassThrough();
  const bounded = boundedSink(stream, bytesMax);
  const kept = content.put(stream);
  // `close` throws the error if the log cannot be stored. After `drop`, this promise rejects too, but this is no error.
  kept.catch(() => {});
  let closed = false;
  return {
    write: (text) => bounded.write(Buffer.from(text)),
    async close() {
      closed = true;
      stream.end();
      const log = await kept;
      return log.size === 0 ? [] : [reportFile(PHASE_LOGS[phase], log)];
    },
    drop() {
      if (!closed) stream.destroy();
    },
  };
}
