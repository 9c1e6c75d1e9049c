// The messages between the supervisor and the processes that it starts.

/** The messages of a server or a worker to the supervisor. */
export type ProcessMessage =
  | { /** A server sends its address, and a worker sends a fixed word. */ ready: string }
  | { /** Why it cannot start, in one line. */ failed: string }
  | { api_token: string };

/** How often the worker has died. Also says whether it is restarted only after long pauses because of this. */
export type WorkerDeaths = {
  /** The number of deaths since the supervisor started. */
  deaths: number;
  /** Present if the worker keeps dying, so that it is restarted only after long pauses. */
  paused?: {
    since: string;
    /** The number of deaths in a row. */
    deaths: number;
    /** How the worker ended the last time: its signal or exit code. */
    how: string;
    /** The last message of the worker. Absent if it sent none. It may contain hosts and folders, so it is only logged. */
    failed?: string;
  };
};

/** The message of the supervisor to the server. It is sent periodically, and each time the server becomes ready. */
export type SupervisorMessage = { worker: WorkerDeaths };
