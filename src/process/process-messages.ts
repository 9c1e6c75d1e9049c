// The messages between the supervisor and the processes that it starts.

/** What a server or a worker sends to the supervisor. */
export type ProcessMessage =
  | { /** The server's address; a fixed word of the worker. */ ready: string }
  | { /** Why it cannot start, in one line. */ failed: string }
  | { api_token: string };

/** How often the worker has died, and whether it is therefore restarted only after long pauses. */
export type WorkerDeaths = {
  /** The number of deaths since the supervisor started. */
  deaths: number;
  /** Present while the worker keeps dying and is restarted only after long pauses. */
  paused?: {
    since: string;
    /** The number of deaths in a row. */
    deaths: number;
    /** How the worker ended last: its signal or exit code. */
    how: string;
    /** The last message of the worker, if it sent one. It may contain hosts and folders, so it is only logged. */
    failed?: string;
  };
};

/** What the supervisor sends to the server: periodically, and each time the server becomes ready. */
export type SupervisorMessage = { worker: WorkerDeaths };
