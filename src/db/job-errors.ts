// Errors of handlers that the queue does not count as failed attempts.

/** Thrown by a handler that cannot work now (the disk is full). The job runs again later, and no attempt is counted. */
export class JobPostponed extends Error {
  readonly seconds: number;

  constructor(seconds: number, reason: string) {
    super(reason);
    this.name = 'JobPostponed';
    this.seconds = seconds;
  }
}

/**
 * Thrown by a handler if this worker cannot do the job but another worker can. The job is given back at once and no attempt is
 * counted. This worker takes no build for a moment, so that the other worker gets the job.
 */
export class JobDeclined extends JobPostponed {
  constructor(reason: string) {
    super(0, reason);
    this.name = 'JobDeclined';
  }
}

/**
 * Thrown by a handler whose child process died (killed by a signal or for its memory). The message is shown in the pipeline:
 * "the process that built this image used more than 1 GiB of memory and was ended". Crashes are counted apart from other
 * errors; after CRASHES_MAX crashes the job does not run again.
 */
export class JobCrashed extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'JobCrashed';
  }
}
