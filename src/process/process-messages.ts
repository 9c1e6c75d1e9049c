// The messages between the supervisor and the processes of its tree.

/** A message of a server or a worker to the supervisor. */
export type ProcessMessage =
  | { /** The server's address; a fixed word of the worker. */ ready: string }
  | { /** Why it cannot start, in one line. */ failed: string }
  | { api_token: string };

/** The number of the worker's deaths, and whether work is paused because of them. */
export type WorkerDeaths = {
  /** Since the supervisor started. */
  deaths: number;
  /** Present while the worker keeps dying and is restarted only after long pauses. */
  paused?: {
    since: string;
    /** Consecutive deaths. */
    deaths: number;
    /** How it ended last: its signal or exit code. */
    how: string;
    /** Its last message, if any. It may contain hosts and folders: only for the log. */
    failed?: string;
  };
};

/** A message of the supervisor to the server: periodically, and each time the server becomes ready. */
export type SupervisorMessage = { worker: WorkerDeaths };
