// A target whose calls end when a signal is aborted, so that a cancelled push does not wait for a slow registry.
import { addAbortSignal } from 'node:stream';
import type { Target } from './target.ts';

/**
 * Returns a target whose calls reject with the signal's reason as soon as the signal is aborted. The calls do not wait for
 * the end of their requests. A body that is being sent or read ends at its next chunk. A request without an answer ends at
 * the client's time limit.
 */
export function abortableTarget(target: Target, signal: AbortSignal): Target {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => {});
  const until = async <T>(act: () => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    return await Promise.race([act(), aborted]);
  };
  const body = (open: () => Promise<AsyncIterable<Uint8Array>>) => async () => {
    signal.throwIfAborted();
    return untilAborted(await open(), signal);
  };
  const { place, pushTagged, linkArtifact, attach } = target;
  return {
    resolve: (reference) => until(() => target.resolve(reference)),
    fetch: (descriptor, range) => until(async () => addAbortSignal(signal, await target.fetch(descriptor, range))),
    exists: (descriptor) => until(() => target.exists(descriptor)),
    push: (descriptor, open) => until(() => target.push(descriptor, body(open))),
    mount: (descriptor, from) => until(() => target.mount(descriptor, from)),
    tag: (descriptor, tag) => until(() => target.tag(descriptor, tag)),
    referrers: (subject, type) => until(() => target.referrers(subject, type)),
    ...(place && { place }),
    ...(pushTagged && {
      pushTagged: (descriptor, open, tag) => until(() => pushTagged.call(target, descriptor, body(open), tag)),
    }),
    ...(linkArtifact && { linkArtifact: (artifact) => until(() => linkArtifact.call(target, artifact)) }),
    ...(attach && { attach: (subject, referrers) => until(() => attach.call(target, subject, referrers)) }),
  };
}

async function* untilAborted(pieces: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  for await (const piece of pieces) {
    signal.throwIfAborted();
    yield piece;
  }
}
