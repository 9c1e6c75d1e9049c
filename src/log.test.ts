// The log: lines of JSON, and no secret in any of them.
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
  ])('%s is hidden in a message, a field, a list and an error', (_what, text, secret) => {
    const lines = linesOf((log) => {
      log.info(text);
      log.info('said %s', text);
      log.info({ deep: { list: [text] } }, 'x');
      log.error(new Error(text));
      log.error({ err: new Error('outer', { cause: new Error(text) }) }, 'x');
    });
    expect(lines).toHaveLength(5);
    expect(JSON.stringify(lines)).not.toContain(secret);
  });

  test('a field named for a secret is hidden whatever it holds', () => {
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
