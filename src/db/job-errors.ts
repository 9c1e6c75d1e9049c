// Errors of handlers that the queue does not treat as a failed attempt.

/** Thrown by a handler that cannot work yet (no space on the disk): the job is retried later and no attempt is counted. */
export class JobPostponed extends Error {
  readonly seconds: number;

  constructor(seconds: number, reason: string) {
    super(reason);
    this.name = 'JobPostponed';
    this.seconds = seconds;
  }
}

/**
 * Thrown by a handler if its worker cannot do the job but another one can: the job is given back at once, no attempt is counted,
 * and this worker takes no job for a moment, so that the other one takes it.
 */
export class JobDeclined extends JobPostponed {
  constructor(reason: string) {
    super(0, reason);
    this.name = 'JobDeclined';
  }
}

/**
 * Thrown by a handler whose own child process died (a signal, a memory limit). The message gives the reason to the person who
 * reads the pipeline: "the process that built this image used more than 1 GiB of memory and was ended". Crashes are counted
 * separately from thrown errors; after CRASHES_MAX of them the job is not run again.
 */
export class JobCrashed extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'JobCrashed';
  }
}
