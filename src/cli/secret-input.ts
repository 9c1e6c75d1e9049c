// Reads a secret from a terminal or a pipe. A secret is never an argument, because other accounts could read it in the
// process list.
import type { ReadStream } from 'node:tty';
import { CommandFailed, type Io } from './io.ts';

/** The longest input in bytes. Every secret that this program reads is shorter. */
const BYTES_MAX = 4_096;

const ENTER = /[\r\n]/;
const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const CTRL_U = '\u0015';
const BACKSPACE = /[\b\u007f]/;

/**
 * Reads a secret. At a terminal, asks twice without echo. Otherwise reads standard input to its end and removes the last line
 * end.
 */
export async function readSecret(io: Io, label: string): Promise<string> {
  const terminal = terminalOf(io);
  if (terminal === undefined) return await readPiped(io);
  // The terminal stays in raw mode from the first question to the last. Otherwise it would show text that is typed between
  // the questions.
  terminal.setRawMode(true);
  terminal.setEncoding('utf8');
  try {
    const typed = await ask(io, terminal, `${label}: `);
    if (typed === (await ask(io, terminal, `${label}, once more: `))) return typed;
    throw new CommandFailed('The two inputs differ.');
  } finally {
    terminal.setRawMode(false);
  }
}

function terminalOf({ in: input }: Io): ReadStream | undefined {
  return 'isTTY' in input && input.isTTY === true ? (input as ReadStream) : undefined;
}

async function readPiped({ in: input }: Io): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk);
    chunks.push(bytes);
    length += bytes.length;
    if (length > BYTES_MAX) throw new CommandFailed(`The secret is longer than ${BYTES_MAX} bytes.`);
  }
  const secret = Buffer.concat(chunks)
    .toString()
    .replace(/\r?\n$/, '');
  if (secret === '') throw new CommandFailed('Standard input is empty; expected a secret.');
  if (ENTER.test(secret))
    throw new CommandFailed('Standard input has more than one line; expected a secret of one line.');
  return secret;
}

async function ask({ err }: Io, terminal: ReadStream, label: string): Promise<string> {
  err.write(label);
  try {
    return await typedLine(terminal);
  } finally {
    err.write('\n');
  }
}

/** Reads one line of a terminal in raw mode. */
function typedLine(terminal: ReadStream): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const line: string[] = [];
  const take = (typed: string) => {
    const keys = [...typed];
    const end = keys.findIndex((key) => ENTER.test(key) || key === CTRL_D || key === CTRL_C);
    for (const key of end < 0 ? keys : keys.slice(0, end)) {
      if (key === CTRL_U) line.length = 0;
      else if (BACKSPACE.test(key)) line.pop();
      else line.push(key);
    }
    if (end < 0) return;
    terminal.off('data', take).pause();
    // Text that was pasted after the end of the line belongs to the next question.
    if (end + 1 < keys.length) terminal.unshift(keys.slice(end + 1).join(''));
    if (keys[end] === CTRL_C) reject(new CommandFailed('Nothing was changed.'));
    else resolve(line.join(''));
  };
  terminal.on('data', take);
  terminal.once('end', () => reject(new CommandFailed('The input ended before a secret was entered.')));
  terminal.resume();
  return promise;
}
