// Extended attributes that the packing machine gives to every file. They get one warning together instead of one per file.

const KINDS = [
  { pattern: /^security\.selinux$/, what: 'SELinux labels', reason: 'The host that runs a container sets its own.' },
  { pattern: /^com\.apple\./, what: 'Attributes of macOS', reason: 'Pack with COPYFILE_DISABLE=1 in the environment.' },
] as const;

export class MachineAttributes {
  readonly #counts = new Map<(typeof KINDS)[number], number>();

  /** If the attribute is of one of these kinds, counts it and returns true. */
  count(name: string): boolean {
    const kind = KINDS.find(({ pattern }) => pattern.test(name));
    if (kind === undefined) return false;
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    return true;
  }

  /** One sentence for each kind that was found. */
  get messages(): string[] {
    return [...this.#counts].map(([{ what, reason }, count]) => {
      const times = count === 1 ? '1 time' : `${count} times`;
      return `${what} are left out (${times}). ${reason}`;
    });
  }
}
