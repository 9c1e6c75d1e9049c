// The log consists of JSON lines without secrets.
import { describe, expect, test } from 'vitest';
import { openLog } from './log.ts';

const TOKEN = 'larder_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE';
const JWT = 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl';

function linesOf(write: (log: ReturnType<typeof openLog>) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  write(openLog({ level: 'info', name: 'server', destination: { write: (line) => void lines.push(line) } }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('openLog', () => {
  test('writes a line of JSON with time, level, name and message, and leaves out lower levels', () => {
    const lines = linesOf((log) => {
      log.debug('not this');
      log.info({ pipeline_id: 'p' }, 'planned %d packages', 7);
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: 'info', name: 'server', pipeline_id: 'p', msg: 'planned 7 packages' });
    expect(lines[0]?.['time']).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  test.each([
    ['a bearer token', `Authorization: Bearer ${JWT}`, JWT],
    ['a bare JWT', `got ${JWT} here`, JWT],
    ['an API token', `docker login -p ${TOKEN}`, TOKEN],
    ['basic credentials', 'basic bGFyZGVyOnMzY3JldA==', 'bGFyZGVyOnMzY3JldA=='],
    ['credentials of a URL', 'GET https://robot:hunter2@registry.example.org/v2/', 'hunter2'],
    ['a token in a query', `/authorize?refresh_token=opaque-secret&x=1`, 'opaque-secret'],
    ['a registry password', `docker login -p ${TOKEN.replace('larder_', 'larderpull_')}`, 'Zm9vYmFyYmF6'],
    ['a signature in a query', 'https://x/files/ab?expires=1&X-Amz-Signature=deadbeef', 'deadbeef'],
    ['a webhook', 'POST https://chat.test/v1/spaces/x?key=hook-key&token=hook-token', 'hook-'],
    ['a log-in code', 'GET /callback?state=1&code=auth-code', 'auth-code'],
    ['a token on a line of its own', `tokens:\n${TOKEN}\n`, 'Zm9vYmFyYmF6'],
    ['a JWT on a line of its own', `\n${JWT}`, 'c2lnbmF0dXJl'],
    ['a form on a line of its own', 'sent\npassword=opaque-secret', 'opaque-secret'],
    ['a form', 'grant_type=password&client_secret=opaque-secret', 'opaque-secret'],
    ['a form that begins with a token', 'refresh_token=opaque-secret', 'opaque-secret'],
    ['a word in a message', 'connect failed (password=opaque-secret, host=db)', 'opaque-secret'],
    ['JSON in a text', 'sent {"name":"x","access_secret":"opaque-secret"}', 'opaque-secret'],
    ['JSON in a text, with quotes', '{"password": "opaque\\"-\\\\secret\\n-rest"}', 'rest'],
    ['a header in a text', 'GET / HTTP/1.1\r\nAuthorization: Token opaque-secret\r\nHost: x', 'opaque-secret'],
    ['a cookie in a text', 'Cookie: session=opaque-secret; other=1', 'opaque-secret'],
    ['a bot’s token', 'slack said no to xoxb-1234-abcd', 'xoxb-1234'],
    ['a private key without end', '-----BEGIN EC PRIVATE KEY-----\nMIGHAgEAopaque', 'opaque'],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nMIGHAgEAopaque\n-----END PRIVATE KEY-----', 'opaque'],
  ])('%s is hidden in a message, a field, a list and an error', (_what, text, secret) => {
    const lines = linesOf((log) => {
      log.info(text);
      log.info('said %s', text);
      log.info({ deep: { list: [text] } }, 'x');
      log.error(new Error(text));
      log.error({ err: new Error('outer', { cause: new Error(text) }) }, 'x');
      log.error({ err: new AggregateError([new Error(text)], 'several') }, 'x');
      log.error({ err: Object.assign(new Error('outer'), { url: text, inner: { said: text } }) }, 'x');
    });
    expect(lines).toHaveLength(7);
    expect(JSON.stringify(lines)).not.toContain(secret);
  });

  test('a field with the name of a secret is hidden with any value', () => {
    const [line] = linesOf((log) =>
      log.info(
        { headers: { Authorization: 'opaque', cookie: ['a'] }, registry: { access_secret: 'pw', url: 'x' } },
        'y',
      ),
    );
    expect(line).toMatchObject({
      headers: { Authorization: '[hidden]', cookie: '[hidden]' },
      registry: { access_secret: '[hidden]', url: 'x' },
    });
  });

  test.each([
    'client_secret',
    'smtp-password',
    'apiToken',
    'x-api-key',
    'sealed_private_jwk',
    'code_verifier',
    'TOKEN',
  ])('a field %s is hidden', (name) => {
    const [line] = linesOf((log) => log.info({ err: Object.assign(new Error('x'), { [name]: ['opaque'] }) }, 'y'));
    expect(JSON.stringify(line)).not.toContain('opaque');
  });

  test('fields and words that only resemble a secret stay readable', () => {
    const [line] = linesOf((log) =>
      log.info(
        { token_id: 'a', tokens: 3, digest: 'sha256:abc', key: 'larder-12', url: new URL('https://x/a?b=c') },
        'a token: rejected',
      ),
    );
    expect(line).toMatchObject({
      token_id: 'a',
      tokens: 3,
      digest: 'sha256:abc',
      key: 'larder-12',
      url: 'https://x/a?b=c',
      msg: 'a token: rejected',
    });
  });

  test('long lines are cleaned within a few seconds', () => {
    const started = performance.now();
    linesOf((log) => {
      for (const piece of ['a', '-', 'a_', '\\"', ' token=', 'eyJ', 'http://', 'token-'])
        log.info(piece.repeat(20_000));
    });
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  test('child bindings are cleaned too, cycles end, and bytes are not printed', () => {
    const cycle: Record<string, unknown> = { bytes: Buffer.alloc(5) };
    cycle['again'] = cycle;
    const [first, second] = linesOf((log) => {
      log.info({ cycle }, 'x');
      log.child({ url: 'https://a:hunter2@b/' }).info('y');
    });
    expect(JSON.stringify(first)).toContain('[5 bytes]');
    expect(JSON.stringify(second)).not.toContain('hunter2');
  });
});
