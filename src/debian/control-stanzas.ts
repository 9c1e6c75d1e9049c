// Parses Debian's control data (deb822(5)) line by line and in one pass. Control data consists of stanzas, which consist of
// fields. All sizes and counts are limited.

/** The most stanzas in one text. The package database of a full desktop has 5,000. */
const STANZA_COUNT_MAX = 20_000;
/** The most fields in one stanza. Binary packages have at most some 30. */
const FIELD_COUNT_MAX = 100;
/**
 * The most characters in one field. The longest fields in Debian (`Provides` of Rust's crates, `Conffiles`) have some 40,000.
 */
const FIELD_LENGTH_MAX = 128 * 1024;
/** The most characters in a field's name. The longest name in use has 28. */
const NAME_LENGTH_MAX = 64;

/** The error for rejected control data. The message contains the line. */
export class ControlDataError extends Error {
  override readonly name = 'ControlDataError';

  constructor(reason: string, line?: number) {
    super(line === undefined ? reason : `line ${line}: ${reason}`);
  }
}

/**
 * The fields of one stanza, by their names in lower case. In a value with several lines, a newline is before each further
 * line.
 */
export type Stanza = {
  fields: ReadonlyMap<string, string>;
  /** The line at which the stanza begins. The first line is 1. */
  line: number;
};

/** Yields the stanzas of a text. Fields that are not in `known` are checked but omitted. Throws ControlDataError. */
export function* parseStanzas(text: string, known: ReadonlySet<string>): Generator<Stanza, void> {
  if (text.includes('\0')) throw new ControlDataError('the text contains a NUL character');
  let stanza = new OpenStanza(known, 1);
  let count = 0;
  for (const { line, number } of linesOf(text)) {
    if (line.trim() !== '') {
      stanza.add(line, number);
      continue;
    }
    if (!stanza.isEmpty) {
      yield stanza.close();
      if (++count >= STANZA_COUNT_MAX)
        throw new ControlDataError(`the text has more than ${STANZA_COUNT_MAX} packages`, number);
    }
    stanza = new OpenStanza(known, number + 1);
  }
  if (!stanza.isEmpty) yield stanza.close();
}

function* linesOf(text: string): Generator<{ line: string; number: number }, void> {
  let number = 1;
  for (let start = 0; start < text.length; number++) {
    const end = text.indexOf('\n', start);
    const stop = end < 0 ? text.length : end;
    if (stop - start > FIELD_LENGTH_MAX) throw new ControlDataError(TOO_LONG, number);
    yield { line: text.slice(start, stop), number };
    start = stop + 1;
  }
}

const TOO_LONG = `a field has more than ${FIELD_LENGTH_MAX} characters`;
/** The syntax of a field (deb822(5)). The name is printable ASCII without colon and does not begin with `#` or `-`. */
const FIELD = /^([!"$-,.-9;-~][!-9;-~]*)[ \t]*:(.*)$/s;

class OpenStanza {
  readonly #known: ReadonlySet<string>;
  readonly #line: number;
  readonly #fields = new Map<string, string>();
  readonly #seen = new Set<string>();
  #current: { name: string; lines: string[]; length: number } | undefined;

  constructor(known: ReadonlySet<string>, line: number) {
    this.#known = known;
    this.#line = line;
  }

  get isEmpty(): boolean {
    return this.#seen.size === 0;
  }

  add(line: string, number: number): void {
    if (line.startsWith(' ') || line.startsWith('\t')) this.#continue(line, number);
    else this.#begin(line, number);
  }

  close(): Stanza {
    this.#finish();
    return { fields: this.#fields, line: this.#line };
  }

  #begin(line: string, number: number): void {
    this.#finish();
    const [, written = '', value = ''] = FIELD.exec(line) ?? [];
    if (written === '' || written.length > NAME_LENGTH_MAX)
      throw new ControlDataError('the line is not a field', number);
    const name = written.toLowerCase();
    if (this.#seen.has(name)) throw new ControlDataError(`the field ${written} occurs twice`, number);
    if (this.#seen.size >= FIELD_COUNT_MAX)
      throw new ControlDataError(`the package has more than ${FIELD_COUNT_MAX} fields`, number);
    this.#seen.add(name);
    this.#current = { name, lines: [value.trim()], length: value.length };
  }

  #continue(line: string, number: number): void {
    const current = this.#current;
    if (current === undefined)
      throw new ControlDataError('the line continues a field, but there is no field before it', number);
    current.length += line.length;
    if (current.length > FIELD_LENGTH_MAX) throw new ControlDataError(TOO_LONG, number);
    if (this.#known.has(current.name)) current.lines.push(line.trimEnd());
  }

  #finish(): void {
    if (this.#current === undefined) return;
    const { name, lines } = this.#current;
    if (this.#known.has(name)) this.#fields.set(name, lines.join('\n'));
    this.#current = undefined;
  }
}
