// Control characters in the output of a step are made visible, wherever a chunk ends. Otherwise terminals and browsers in
// which people read logs would interpret them.
import { describe, expect, it } from 'vitest';
import { BuildError } from './build-error.ts';
import { lastLines, openBuildLog } from './build-log.ts';
import { visibleText } from './visible-text.ts';

function logOf(chunks: Iterable<Uint8Array | string>, options: { bytesMax?: number } = {}) {
  const written: Buffer[] = [];
  const log = openBuildLog({ write: (bytes) => written.push(bytes) }, options);
  for (const chunk of chunks) log.write(chunk);
  return { log, text: () => Buffer.concat(written).toString() };
}

describe('a log', () => {
  it('ends with one line above the limit, and its tail still changes', () => {
    const { log, text } = logOf(['0123456789\n', '0123456789\n', 'the last line\u001b[31m\n'], { bytesMax: 20 });
    expect(text()).toBe('0123456789\n012345678\n[log cut here: it is longer than 20 bytes]\n');
    expect(log.tail().split('\n').at(-1)).toBe('the last line^[[31m');
    log.mark();
    expect(log.tail()).toBe('');
  });

  it('is complete with exactly as many bytes as the limit, and cut with one more', () => {
    const { log, text } = logOf(['0123456789', '0123456789'], { bytesMax: 20 });
    expect(text()).toBe('01234567890123456789');
    log.write('x');
    log.write('y');
    expect(text()).toBe('01234567890123456789\n[log cut here: it is longer than 20 bytes]\n');
  });

  const printed = Buffer.from('a\r\nb\rc\u001b[2J\u009b1m\u202egpj.exe\u2066 ü\u{1f600}\x7f\0\ttab\r\r\n\r\nend\r\n');
  const shown = 'a\nb\nc^[[2J<U+009B>1m<U+202E>gpj.exe<U+2066> ü\u{1f600}^?^@\ttab\n\n\nend\n';

  it.each([1, 2, 3, 5, 1000])('is the same in chunks of %i bytes', (size) => {
    const chunks = Array.from({ length: Math.ceil(printed.length / size) }, (_, at) =>
      printed.subarray(at * size, (at + 1) * size),
    );
    expect(logOf(chunks).text()).toBe(shown);
  });

  it('shows invalid UTF-8, and an incomplete character before a line of the builder', () => {
    expect(logOf([Buffer.from([0x61, 0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80])]).text()).toMatch(/^a\ufffd\ufffd\(\ufffd+$/);
    const { log, text } = logOf([Buffer.from([0x61, 0xc3])]);
    log.say('next\u001b[1m');
    expect(text()).toBe('a\ufffd== next^[[1m\n');
  });

  it('has the last lines of a million small chunks as its tail', () => {
    function* pieces(): Generator<string> {
      for (let at = 0; at < 1_000_000; at++) yield `${at}\n`;
    }
    const { log } = logOf(pieces(), { bytesMax: 1000 });
    expect(log.tail().split('\n').at(-1)).toBe('999999');
    expect(log.tail().split('\n')).toHaveLength(25);
  });

  it('has the end of one large chunk as its tail', () => {
    expect(logOf(['x'.repeat(5_000_000), '\nthe end']).log.tail()).toMatch(/x\nthe end$/);
  });
});

it('lastLines returns a bounded end of the text with visible control characters', () => {
  expect(lastLines(`${'line\n'.repeat(1_000_000)}\u001b]0;title\u0007end\r\n\n`)).toMatch(
    /^(?:line\n){24}\^\[\]0;title\^Gend$/,
  );
  expect(lastLines('x'.repeat(1_000_000))).toHaveLength(4096);
});

it('BuildError makes control characters of its message and step visible', () => {
  const error = new BuildError('/etc/\u001b[8m\u202ex', { step: 'a\u0007', cause_kind: 'BUILD_ERROR' });
  expect([error.message, error.step]).toEqual(['/etc/^[[8m<U+202E>x', 'a^G']);
  expect(visibleText('plain\n\ttext')).toBe('plain\n\ttext');
});
