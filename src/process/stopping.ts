// How a process ends: asked once it stops in order, asked again it is forced, and an output that was closed ends nothing.

/** Ctrl-C arrives twice under npm, by the terminal and passed on; a later one is a second request of a person. */
const ONE_SIGNAL_MS = 1_000;

/** What a shell reports for a program that a signal ended: 128 and the signal's number. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** A parent that is gone has no number. */
const PARENT_GONE = 1;

export type Life = {
  /** Aborted by the first signal: what is still starting ends. */
  readonly stopping: AbortSignal;
  /** Aborted by the second: whoever holds processes kills them at once. */
  readonly forced: AbortSignal;
  /** What stopping means from here on. Called at once if a signal came before. */
  onStop(stop: () => Promise<void>): void;
  /** Ends the process as one that was stopped before it had started; where it had, its stop ends it. Never comes back. */
  giveUp(): Promise<never>;
};

export type LifeOptions = {
  /** A start that does not give up by itself is cut after this. */
  giveUpMs: number;
  /** False where SIGHUP has another meaning: a server with TLS reads its certificate again. */
  hangUpStops: boolean;
};

/** Begins to listen for Ctrl-C, SIGTERM, a closed terminal, and a parent that is gone. */
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
      // A child is ended by its parent, which gets a second signal too; the terminal's Ctrl-C and the parent's are one.
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

/** The reader of a pipe may go, a terminal may close, a log's disk may be full: the service is worth more than its words. */
function ignoreClosedOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}
