// The log of a build. It contains the output of the steps up to a limit, with visible control characters. The last lines are
// also kept for failure messages.
import { VisibleStream, visibleText } from './visible-text.ts';

/** The most bytes in the log of one task. The logs of real builds are shorter. */
export const LOG_BYTES_MAX = 10 * 1024 * 1024;
/** The most lines in a failure message. */
const TAIL_LINES = 25;
const TAIL_LENGTH_MAX = 4096;

/** A log to which several steps write, one after the other. */
export type BuildLog = {
  /** Writes the output of a step. Output above the limit is dropped, and one line in the log says so. */
  write(chunk: Uint8Array | string): void;
  /** Writes a line of the builder itself. A mark distinguishes it from the output of steps. */
  say(line: string): void;
  /** Returns the last lines since the last call of `mark`, even if the log has reached its limit. */
  tail(): string;
  mark(): void;
};

/** Where the bytes of a log are written: to a stream or a list. */
export type LogSink = { write(bytes: Buffer): unknown };

/**
 * Returns a sink that writes the first `bytesMax` bytes to `sink`. If there are more, it adds one line which says that the
 * log was cut.
 */
export function boundedSink(sink: LogSink, bytesMax: number): { write(bytes: Buffer): void; isCut(): boolean } {
  let space = bytesMax;
  let isCut = false;
  return {
    isCut: () => isCut,
    write(bytes) {
      if (isCut || bytes.length === 0) return;
      if (space > 0) sink.write(bytes.subarray(0, space));
      isCut = bytes.length > space;
      space -= bytes.length;
      if (isCut) sink.write(Buffer.from(`\n[log cut here: it is longer than ${bytesMax} bytes]\n`));
    },
  };
}

/** Returns a log that writes to the sink. Only tests set `bytesMax`. */
export function openBuildLog(sink: LogSink, { bytesMax = LOG_BYTES_MAX }: { bytesMax?: number } = {}): BuildLog {
  const visible = new VisibleStream();
  let recent = new RecentText();
  const bounded = boundedSink(sink, bytesMax);
  const put = (text: string): void => {
    if (!bounded.isCut()) bounded.write(Buffer.from(text));
  };
  const print = (text: string): void => {
    recent.add(text);
    put(text);
  };
  return {
    write(chunk) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      // Above the limit, only the last lines are needed for failure messages. So only the end of a chunk is converted.
      print(visible.next(bounded.isCut() ? bytes.subarray(-TAIL_LENGTH_MAX) : bytes));
    },
    say(line) {
      print(visible.end());
      put(`== ${visibleText(line)}\n`);
    },
    tail: () => lastLines(recent.text),
    mark: () => {
      recent = new RecentText();
    },
  };
}

/**
 * Keeps the end of a growing text, in two halves. When the newer half is full, the older half is dropped. So a new chunk does
 * not copy the whole text.
 */
class RecentText {
  #older = '';
  #newer = '';

  add(text: string): void {
    // Copies the end, because a slice would keep the whole text in memory.
    this.#newer += text.length > TAIL_LENGTH_MAX ? Buffer.from(text.slice(-TAIL_LENGTH_MAX)).toString() : text;
    if (this.#newer.length < TAIL_LENGTH_MAX) return;
    this.#older = this.#newer;
    this.#newer = '';
  }

  /** The whole text, or at least its last TAIL_LENGTH_MAX characters if it is longer. */
  get text(): string {
    return this.#older + this.#newer;
  }
}

/** Returns the end of a text, with control characters made visible. */
export function lastLines(text: string): string {
  // Only the end of the text is converted, because the text may be very long.
  const end = visibleText(text.slice(-2 * TAIL_LENGTH_MAX)).trimEnd();
  return end.slice(-TAIL_LENGTH_MAX).toWellFormed().split('\n').slice(-TAIL_LINES).join('\n');
}
