// Errors that a handler throws if its attempt must not be counted as failed.

/**
 * Thrown by a handler that cannot work now, for example because the disk is full. The job runs again later, and the attempt
 * is not counted.
 */
export class JobPostponed extends Error {
  readonly seconds: number;

  constructor(seconds: number, reason: string) {
    super(reason);
    this.name = 'JobPostponed';
    this.seconds = seconds;
  }
}

/**
 * Thrown by a handler if this worker cannot do the job but another worker can. The job is given back at once, and the attempt
 * is not counted. This worker takes no job of the same task for DECLINED_REST_MS (queue-worker.ts), so that the other worker
 * gets the job.
 */
export class JobDeclined extends JobPostponed {
  constructor(reason: string) {
    super(0, reason);
    this.name = 'JobDeclined';
  }
}

/**
 * Thrown by a handler whose child process was killed by a signal or exceeded its memory. The pipeline shows the message, for
 * example "the process that built this image used more than 1 GiB of memory and was ended". Crashes are counted separately
 * from other errors. After CRASHES_MAX crashes, the job does not run again.
 */
export class JobCrashed extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'JobCrashed';
  }
}
