// Decides the order in which dpkg unpacks packages. They are grouped into waves, so that the pre-dependencies of a package
// are in an earlier wave.
import type { FailureCause } from '../../contract/vocabulary.ts';
import { BoundedText } from '../../sandbox/bounded-text.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';

type Control = { file: string; name: string; provides: string[]; preDepends: string[] };

/**
 * The most bytes that dpkg-deb may print. A thousand packages print some 100 KB, but a modified dpkg-deb of an image could
 * print endlessly.
 */
const PRINTED_BYTES_MAX = 1024 * 1024;

const SHOW = `cd "$0" && for file do dpkg-deb --show --showformat='\${Package}\\t\${Provides}\\t\${Pre-Depends}\\n' "$file" || echo; done`;

export type WaveOptions = {
  /** The folder in the sandbox that contains the packages. */
  folder: string;
  environment: Record<string, string>;
  step: string;
  cause_kind: FailureCause;
  signal: AbortSignal | undefined;
};

/**
 * Groups packages into waves. A package pre-depends only on packages of earlier waves or of the base image, because dpkg
 * unpacks a package only after its pre-dependencies are configured (Debian policy 7.2). The order of the lock does not ensure
 * this. Reads the packages with the image's dpkg-deb. Throws BuildError if dpkg-deb prints too much.
 */
export async function installWaves(sandbox: Sandbox, files: string[], options: WaveOptions): Promise<string[][]> {
  // A single package needs no order. Reading it with dpkg-deb would take a tenth of the time for building a small patch.
  if (files.length === 1) return [files];
  const { folder, environment, step, cause_kind, signal } = options;
  const printed = new BoundedText(PRINTED_BYTES_MAX);
  const tooMuch = new AbortController();
  const rejection = new BuildError(`dpkg-deb printed more than ${PRINTED_BYTES_MAX} bytes about the packages.`, {
    step,
    cause_kind,
  });
  await sandbox.run(
    { command: ['sh', '-c', SHOW, folder, ...files], environment },
    {
      signal: signal === undefined ? tooMuch.signal : AbortSignal.any([signal, tooMuch.signal]),
      onOutput: (chunk, stream) => {
        if (stream === 'stdout' && !printed.add(chunk)) tooMuch.abort(rejection);
      },
    },
  );
  const lines = printed.text.split('\n');
  return orderWaves(files.map((file, index) => controlOf(file, lines[index] ?? '')));
}

function controlOf(file: string, line: string): Control {
  const [name = '', provides = '', preDepends = ''] = line.split('\t');
  return { file, name, provides: namesIn(provides), preDepends: namesIn(preDepends) };
}

/** Returns the package names in a relation field, without versions and architectures. */
function namesIn(field: string): string[] {
  return field
    .split(/[,|]/)
    .map((relation) => relation.trim().replace(/[\s(:].*$/, ''))
    .filter(Boolean);
}

/**
 * Orders packages into waves. Exported for its test. Debian forbids packages that pre-depend on each other. If there are any,
 * all remaining packages form the last wave, and dpkg rejects them.
 */
export function orderWaves(packages: Control[]): string[][] {
  const offers = new Offers(packages);
  const left = new Set(packages);
  const waves: string[][] = [];
  let ready = packages.filter((one) => offers.isFree(one));
  while (left.size > 0) {
    const wave = ready.length > 0 ? ready : [...left];
    waves.push(wave.map(({ file }) => file));
    for (const one of wave) left.delete(one);
    const freed = new Set(wave.flatMap((one) => offers.installed(one)));
    // Within a wave, packages keep the order of the lock.
    ready = freed.size === 0 ? [] : packages.filter((one) => freed.has(one) && left.has(one));
  }
  return waves;
}

/**
 * Tracks which packages wait for which names. A package offers its own name and the names that it provides. Each name is
 * processed once for each package that needs it.
 */
class Offers {
  /** For each name, the number of packages that offer it and are not installed yet. */
  readonly #count = new Map<string, number>();
  readonly #waiting = new Map<string, Control[]>();
  readonly #blocked = new Map<Control, number>();

  constructor(packages: Control[]) {
    for (const one of packages) {
      for (const name of offered(one)) this.#count.set(name, (this.#count.get(name) ?? 0) + 1);
    }
    for (const one of packages) {
      const names = new Set(one.preDepends.filter((name) => name !== one.name && this.#count.has(name)));
      this.#blocked.set(one, names.size);
      for (const name of names) this.#waitersOf(name).push(one);
    }
  }

  #waitersOf(name: string): Control[] {
    const waiters = this.#waiting.get(name) ?? [];
    this.#waiting.set(name, waiters);
    return waiters;
  }

  isFree(one: Control): boolean {
    return this.#blocked.get(one) === 0;
  }

  /** Marks a package as installed. Returns the packages that do not wait for any name any more. */
  installed(one: Control): Control[] {
    const done = [...offered(one)].filter((name) => {
      const count = (this.#count.get(name) ?? 1) - 1;
      this.#count.set(name, count);
      return count === 0;
    });
    return done
      .flatMap((name) => this.#waiting.get(name) ?? [])
      .filter((other) => {
        const blocked = (this.#blocked.get(other) ?? 1) - 1;
        this.#blocked.set(other, blocked);
        return blocked === 0;
      });
  }
}

function offered({ name, provides }: Control): Set<string> {
  return new Set([name, ...provides]);
}
