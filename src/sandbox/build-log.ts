// The log of a build: everything its steps print, made visible and capped, and the last lines of it for the message of a failure.
import { VisibleStream, visibleText } from './visible-text.ts';

/** Of one task. Enough for the build that prints most; beyond it a log only fills the disk. */
export const LOG_BYTES_MAX = 10 * 1024 * 1024;
/** What a person can read in a failure message. */
const TAIL_LINES = 25;
const TAIL_LENGTH_MAX = 4096;

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

/** Passes on the first `bytesMax` bytes, then one line which says that the log was cut. */
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

/** Wraps a stream as a log. `bytesMax` is for tests. */
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
      // Beyond the cap only the tail is wanted: what prints for ever is not made visible for ever.
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

/** The end of a text that grows by pieces of any size: what is old is forgotten in halves, so that no piece costs a copy of all. */
class RecentText {
  #older = '';
  #newer = '';

  add(text: string): void {
    // A slice of a large text would hold all of it.
    this.#newer += text.length > TAIL_LENGTH_MAX ? Buffer.from(text.slice(-TAIL_LENGTH_MAX)).toString() : text;
    if (this.#newer.length < TAIL_LENGTH_MAX) return;
    this.#older = this.#newer;
    this.#newer = '';
  }

  /** At least as long as a tail, if so much was printed. */
  get text(): string {
    return this.#older + this.#newer;
  }
}

/** The end of a text, with what a terminal would act on made visible. */
export function lastLines(text: string): string {
  // Only the end is looked at, however long the text is.
  const end = visibleText(text.slice(-2 * TAIL_LENGTH_MAX)).trimEnd();
  return end.slice(-TAIL_LENGTH_MAX).toWellFormed().split('\n').slice(-TAIL_LINES).join('\n');
}
