// What the supervisor and the processes of its tree send each other.

/** What a server or a worker sends to the supervisor. */
export type ProcessMessage =
  | { /** The server's address, or the worker's word. */ ready: string }
  | { /** Why it cannot start: the line that it would say alone. */ failed: string }
  | { api_token: string };

/** How often the worker died, and whether work is paused for it. */
export type WorkerDeaths = {
  /** Since the supervisor started. */
  deaths: number;
  /** Present while the worker keeps dying and is only started again after long pauses. */
  paused?: {
    since: string;
    /** In a row. */
    deaths: number;
    /** How it ended the last time: its signal or exit code. */
    how: string;
    /** Its own words, where it had any. They may name hosts and folders: for the log, not for everybody. */
    failed?: string;
  };
};

/** What the supervisor sends to the server: now and then, and each time the server becomes ready. */
export type SupervisorMessage = { worker: WorkerDeaths };
