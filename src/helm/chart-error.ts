// The error for a chart that cannot be read or changed.

/** The message contains the file of the chart and the fault. */
export class ChartError extends Error {
  override readonly name = 'ChartError';
  readonly file: string;

  constructor(file: string, reason: string, options?: { cause?: unknown }) {
    super(`${file} ${reason}`, options);
    this.file = file;
  }
}
