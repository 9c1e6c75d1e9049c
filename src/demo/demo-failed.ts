// The error of a demonstration whose main job does not finish.

/** The message is for the person who watches the demonstration. */
export class DemoFailed extends Error {
  override readonly name = 'DemoFailed';
}
