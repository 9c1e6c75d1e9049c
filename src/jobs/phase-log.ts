// The log of a phase: written once, by the worker, straight to content while the phase runs.
import { PassThrough } from 'node:stream';
import type { ContentStore } from '../content/content.ts';
import { PHASE_LOGS, reportFile } from '../contract/report-kinds.ts';
import type { MetadataFile, PhaseType } from '../contract/vocabulary.ts';
import { boundedSink, LOG_BYTES_MAX } from '../sandbox/build-log.ts';

/**
 * A phase may run several tasks, as the search for the customization that breaks a test does. One task's whole log fits (its own limit cuts
 * it first), with the worker's lines around it and the beginning of the next tasks' logs.
 */
export const PHASE_LOG_BYTES_MAX = LOG_BYTES_MAX + LOG_BYTES_MAX / 2;

export type PhaseLog = {
  /** Takes what a task prints, or a line of the worker's own. What is beyond PHASE_LOG_BYTES_MAX is dropped, and the log says so. */
  write(text: Uint8Array | string): void;
  /** Ends the log and returns it as a file; nothing when nothing was written. */
  close(): Promise<MetadataFile[]>;
  /** Ends the log without keeping it; does nothing after close. */
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
  // Looked at in `close`; a log that is dropped breaks its own put, and that is meant.
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
