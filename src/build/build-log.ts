// The log of a build: everything its steps print, capped, and the last lines of it for the message of a failure.

/** Enough for the most talkative build; beyond it a log only fills the disk (issue: log capped at 10 MiB). */
const LOG_BYTES_MAX = 10 * 1024 * 1024;
/** What a person can read in a failure message. */
const TAIL_LINES = 25;
const TAIL_BYTES_MAX = 4096;

/** One log that several steps write to in turn. */
export type BuildLog = {
  /** Takes what a step printed; beyond the cap it is dropped, with one clear mark. */
  write(chunk: Uint8Array | string): void;
  /** A line of the builder's own, told apart from what the steps print. */
  say(line: string): void;
  /** The last lines that were printed since the last call of `mark`, also when the cap dropped them from the log. */
  tail(): string;
  mark(): void;
};

/** Anything that takes bytes: a stream, or a list. */
export type LogSink = { write(bytes: Buffer): unknown };

/** Wraps a stream as a log. `bytesMax` is for tests. */
export function openBuildLog(sink: LogSink, { bytesMax = LOG_BYTES_MAX }: { bytesMax?: number } = {}): BuildLog {
  let written = 0;
  let recent = Buffer.alloc(0);
  const put = (bytes: Buffer): void => {
    if (written >= bytesMax) return;
    const room = bytesMax - written;
    written += bytes.length;
    sink.write(bytes.subarray(0, room));
    if (bytes.length > room) sink.write(Buffer.from(`\n[log cut here: it is longer than ${bytesMax} bytes]\n`));
  };
  return {
    write(chunk) {
      const bytes =
        typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
      // Twice the room of a tail, so that a chunk that begins in the middle of a line costs the tail nothing.
      recent = Buffer.concat([recent, bytes]).subarray(-2 * TAIL_BYTES_MAX);
      put(bytes);
    },
    say: (line) => put(Buffer.from(`== ${line}\n`)),
    tail: () => lastLines(recent.toString('utf8')),
    mark: () => {
      recent = Buffer.alloc(0);
    },
  };
}

/** The end of a text, with what a terminal would act on taken out. */
export function lastLines(text: string): string {
  const clean = text.replace(/[^\P{C}\n\t]/gu, '').trimEnd();
  return clean.slice(-TAIL_BYTES_MAX).split('\n').slice(-TAIL_LINES).join('\n');
}
