// What a handler throws when its job neither succeeded nor failed by an ordinary error.

/** Thrown by a handler that cannot work yet (no space on the disk): the job comes back later and no attempt is counted. */
export class JobPostponed extends Error {
  readonly seconds: number;

  constructor(seconds: number, reason: string) {
    super(reason);
    this.name = 'JobPostponed';
    this.seconds = seconds;
  }
}

/**
 * Thrown by a handler whose worker cannot do the job while another one can: the job is given back at once, no attempt is
 * counted, and this worker takes no further job for a moment, so that the other one comes first.
 */
export class JobDeclined extends JobPostponed {
  constructor(reason: string) {
    super(0, reason);
    this.name = 'JobDeclined';
  }
}

/**
 * Thrown by a handler whose own child process died (a signal, a memory limit). The message says why, for the person who
 * reads the pipeline: "the process that built this image used more than 1 GiB of memory and was ended". Crashes are
 * counted apart from thrown errors, and after CRASHES_MAX of them the job is not run again.
 */
export class JobCrashed extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'JobCrashed';
  }
}
