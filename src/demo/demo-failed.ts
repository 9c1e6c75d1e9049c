// How the demonstration ends when the main job does not come to its end.

/** Written for the person who watches it. */
export class DemoFailed extends Error {
  override readonly name = 'DemoFailed';
}
