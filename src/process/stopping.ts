// How a process stops: the first request stops it in order, the second one ends it at once, and a closed output does not stop it.

/** Under npm, Ctrl-C arrives twice, from the terminal and from npm. A signal after this time is a second request of a person. */
const ONE_SIGNAL_MS = 1_000;

/** The exit code that a shell reports for a program ended by a signal: 128 plus the signal's number. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** The end of the parent is not a signal and has no number. */
const PARENT_GONE = 1;

export type Life = {
  /** Aborted by the first signal: parts that are still starting stop. */
  readonly stopping: AbortSignal;
  /** Aborted by the second signal: each part kills its processes at once. */
  readonly forced: AbortSignal;
  /** Sets the function that stops the process. Called at once if a signal came before. */
  onStop(stop: () => Promise<void>): void;
  /** Ends a process whose start was interrupted. If `onStop` was called, waits until the stop function ends it. Never returns. */
  giveUp(): Promise<never>;
};

export type LifeOptions = {
  /** A start that does not stop by itself is ended after this time. */
  giveUpMs: number;
  /** False if SIGHUP has another meaning: a server with TLS reads its certificate again. */
  hangUpStops: boolean;
};

/** Starts to listen for Ctrl-C, SIGTERM, a closed terminal, and the end of the parent. */
export function beginLife({ giveUpMs, hangUpStops }: LifeOptions): Life {
  const stopping = new AbortController();
  const forced = new AbortController();
  let stop: (() => Promise<void>) | undefined;
  let exitCode = 0;
  let askedAt = 0;

  function force(): never {
    forced.abort();
    process.exit(exitCode);
  }

  function end(): void {
    stop?.().then(
      () => process.exit(0),
      (error) => {
        console.error(error);
        process.exit(1);
      },
    );
  }

  function ask(code: number): void {
    if (stopping.signal.aborted) {
      // The parent ends its children and gets a second signal too; a Ctrl-C of the terminal and the request of the parent count
      // as one.
      if (process.send === undefined && performance.now() - askedAt > ONE_SIGNAL_MS) force();
      return;
    }
    exitCode = code;
    askedAt = performance.now();
    stopping.abort();
    if (stop) end();
    else setTimeout(() => stop === undefined && force(), giveUpMs);
  }

  for (const [signal, code] of Object.entries(SIGNALS)) {
    if (signal !== 'SIGHUP' || hangUpStops) process.on(signal, () => ask(code));
  }
  process.on('disconnect', () => ask(PARENT_GONE));
  ignoreClosedOutput();
  return {
    stopping: stopping.signal,
    forced: forced.signal,
    onStop(how) {
      stop = how;
      if (stopping.signal.aborted) end();
    },
    giveUp: () => (stop === undefined ? force() : new Promise(() => {})),
  };
}

/**
 * The reader of a pipe may end, a terminal may close, a log's disk may be full: the service must survive the loss of its output.
 */
function ignoreClosedOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}
