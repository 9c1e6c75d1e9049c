// Attacks of a finished image with the answers of its service to the product's tests. Each test ends at its limit of size or
// time.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attemptTest, type Started } from '../../src/packaging/image/product-test.ts';
import type { ProductTest } from '../../src/plan/image-plan.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import type { SandboxCommand } from '../../src/sandbox/sandbox-command.ts';
import { type Ground, openGround, USER, ways } from './attempts.ts';

const PORT = 8080;
/** Returns a script that listens and runs `answer` for each connection. It ignores clients that disconnect. */
const serve = (answer: string): string => `
  $SIG{PIPE} = "IGNORE"; $| = 1;
  socket(S, 2, 1, 6) or die $!; setsockopt(S, 1, 2, pack("i", 1));
  bind(S, pack("S n a4 x8", 2, ${PORT}, "\\x7f\\0\\0\\1")) or die $!; listen(S, 9);
  while (accept(C, S)) { select(C); $| = 1; ${answer}; close(C) }`;
const HEAD = 'print C "HTTP/1.1 200 OK\\r\\n\\r\\n"';
const FOR_EVER = (text: string): string => `1 while print C ${text}`;

const http: ProductTest = {
  name: 'http',
  timeout_seconds: 20,
  kind: 'http',
  port: PORT,
  path: '/',
  status: 200,
  body: 'never said',
};
const tcp: ProductTest = { name: 'tcp', timeout_seconds: 20, kind: 'tcp', port: PORT, receive: 'never said' };
const exec = (command: string): ProductTest => ({
  name: 'exec',
  timeout_seconds: 20,
  kind: 'exec',
  command: ['sh', '-c', command],
});

describe.skipIf(ways().length === 0)('a service answers', () => {
  let ground: Ground;
  beforeAll(async () => {
    ground = await openGround(ways()[0] as ReturnType<typeof ways>[number]);
  });
  afterAll(async () => await ground[Symbol.asyncDispose]());

  async function answered(test: ProductTest, answer: string, leftMs: number) {
    await using sandbox: Sandbox & AsyncDisposable = await ground.open();
    const command: SandboxCommand = {
      command: ['perl', '-e', serve(answer)],
      environment: { PATH: '/usr/bin' },
      user: USER,
    };
    const started: Started = { sandbox, service: sandbox.start(command), command, signal: undefined };
    // Waits until the service listens.
    for (let tries = 0; ; tries++) {
      const attempt = await attemptTest(test, started, leftMs);
      if (tries > 50 || !attempt.output.includes('refuses connections')) return attempt;
    }
  }

  it.each([
    ['with a page that never ends', http, `${HEAD}; ${FOR_EVER('"x" x 65536')}`, 20_000, /^HTTP status 200\nx+$/],
    [
      'with a page of terminal sequences',
      http,
      `${HEAD}; ${FOR_EVER('"\\e[2J" x 10000')}`,
      20_000,
      /^HTTP status 200\n[^\x1b]+$/,
    ],
    [
      'with headers that never end',
      http,
      `print C "HTTP/1.1 200 OK\\r\\n"; ${FOR_EVER('"a: b\\r\\n" x 1000')}`,
      20_000,
      /Parse Error|overflow/i,
    ],
    [
      'with a header that never ends',
      http,
      `print C "HTTP/1.1 200 OK\\r\\na: "; ${FOR_EVER('"x" x 65536')}`,
      20_000,
      /Parse Error|overflow/i,
    ],
    [
      'with interim answers that never end',
      http,
      FOR_EVER('"HTTP/1.1 103 Early Hints\\r\\n\\r\\n"'),
      3000,
      /did not answer in time/,
    ],
    ['with nothing', http, 'sleep 600', 3000, /did not answer in time/],
    ['with bytes that never end', tcp, FOR_EVER('"x" x 65536'), 20_000, /^x+$/],
    [
      'with single bytes that never end',
      tcp,
      `${FOR_EVER('"x"')} and select(undef, undef, undef, 0.001)`,
      3000,
      /^x+$|did not answer in time/,
    ],
  ])('%s', async (_attempt, test, answer, leftMs, output) => {
    const attempt = await answered(test, answer, leftMs);
    expect(attempt.passed).toBe(false);
    expect(attempt.output).toMatch(output);
    expect(attempt.output.length).toBeLessThan(5000);
  });

  it('to a test that prints without end itself', async () => {
    const attempt = await answered(exec('while :; do printf "%01000d\\n" 0; done'), 'sleep 600', 5000);
    expect(attempt.passed).toBe(false);
    expect(attempt.output.length).toBeLessThan(5000);
  });
});
