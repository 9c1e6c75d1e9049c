// How a process stops. The first signal stops it normally, and the second one ends it at once. A closed output does not stop
// it.

/**
 * Under npm, one Ctrl-C arrives twice: from the terminal and from npm. So only a signal that comes later than this is a
 * second request.
 */
const ONE_SIGNAL_MS = 1_000;

/** The exit code for each signal, as shells report it: 128 plus the number of the signal. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** The exit code if the parent has ended. No signal caused this stop. */
const PARENT_GONE = 1;

export type Life = {
  /** Aborted by the first signal. Parts that are still starting then stop. */
  readonly stopping: AbortSignal;
  /** Aborted by the second signal. Each part then kills its processes at once. */
  readonly forced: AbortSignal;
  /** Sets the function that stops the process. Calls it at once if a signal has already arrived. */
  onStop(stop: () => Promise<void>): void;
  /**
   * Ends a process whose start was interrupted. If `onStop` was called, waits until its function has ended the process. Never
   * returns.
   */
  giveUp(): Promise<never>;
};

export type LifeOptions = {
  /** How long an interrupted start may take to stop. After that, the process is ended. */
  giveUpMs: number;
  /** Whether SIGHUP stops the process. False for a server with TLS, which reads its certificate again instead. */
  hangUpStops: boolean;
};

/** Begins to listen for Ctrl-C, SIGTERM, the end of the terminal and the end of the parent. */
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
      // A process with a supervisor ignores further signals, because the supervisor gets the same signals and ends the
      // process. So a Ctrl-C and the supervisor's request, which arrive together, count as one request.
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
 * Ignores errors of the output. The reader of a pipe may end, a terminal may be closed, or the disk of the log may be full.
 * None of these may end the service.
 */
function ignoreClosedOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}
