// The log of a phase, which the worker writes to content while the phase runs.
import { PassThrough } from 'node:stream';
import type { ContentStore } from '../content/content.ts';
import { PHASE_LOGS, reportFile } from '../contract/report-kinds.ts';
import type { MetadataFile, PhaseType } from '../contract/vocabulary.ts';
import { boundedSink, LOG_BYTES_MAX } from '../sandbox/build-log.ts';

/**
 * A phase may run several tasks: for example, the search for the customization that breaks a test runs many. The limit is
 * larger than that of one task's log, so that the lines of the worker and the beginnings of later logs fit too.
 */
export const PHASE_LOG_BYTES_MAX = LOG_BYTES_MAX + LOG_BYTES_MAX / 2;

export type PhaseLog = {
  /** Writes output of a task, or a line of the worker. Text beyond the limit is dropped, and a line in the log says so. */
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
  // `close` throws the error if the log cannot be stored. `drop` makes the same promise reject, but this is not an error.
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
