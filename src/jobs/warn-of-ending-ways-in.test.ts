// Owners are warned when the last way for an owner to log in ends: in the log, and by mail through a real mail server.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { JobPostponed } from '../db/queue-worker.ts';
import { openLog } from '../log.ts';
import { mailWayInWarning, warnOfEndingWaysIn } from './warn-of-ending-ways-in.ts';

let api: TestApi;
let mail: SMTPServer;
let smtpUrl: string;
const mails: { to: string[]; text: string }[] = [];
const lines: string[] = [];
/** The SMTP code with which the mail server answers. With 250, it accepts the mail. */
let answer = 250;

beforeAll(async () => {
  api = await openTestApi();
  mail = new SMTPServer({
    authOptional: true,
    hideSTARTTLS: true,
    onData: (stream, session, done) => {
      void text(stream).then((said) => {
        if (answer !== 250) return done(Object.assign(new Error('Not now'), { responseCode: answer }));
        mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), text: said });
        return done();
      });
    },
  });
  mail.on('error', () => {});
  const server = mail.listen(0, '127.0.0.1');
  await once(server, 'listening');
  smtpUrl = `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { pool } = api.database;
  await pool.query(`update users set email = 'jane@example.org' where organization_id = $1`, [api.acme.id]);
}, 60_000);
afterAll(async () => {
  await new Promise<void>((resolve) => mail.close(() => resolve()));
  await api.close();
});
beforeEach(async () => {
  mails.length = 0;
  lines.length = 0;
  answer = 250;
  await api.database.pool.query('delete from queue.job');
  await api.database.pool.query('delete from way_in_warnings');
  await letEnd(180);
});

const letEnd = (days: number) =>
  api.database.pool.query(
    `update api_tokens set expires_at = now() + make_interval(days => $2) - interval '1 hour' where organization_id = $1`,
    [api.acme.id, days],
  );

const resources = (smtp: string | undefined = smtpUrl) => ({
  db: api.database.db,
  identity: api.identity,
  log: openLog({ level: 'debug', destination: { write: (line: string) => lines.push(line) } }),
  config: {
    notifications: {
      ...(smtp !== '' && { smtp: { url: smtp, from: 'Larder <larder@example.org>' } }),
      slackUrl: '',
      googleChatUrl: '',
    },
  },
});

/** Runs the daily job, and then the mail jobs that it enqueues. */
async function day(smtp?: string): Promise<void> {
  await warnOfEndingWaysIn(resources(smtp));
  await work(smtp);
}

async function work(smtp?: string): Promise<void> {
  const { rows } = await api.database.pool.query<{ id: string }>(
    `delete from queue.job where data ->> 'task' = 'mail-way-in-warning' returning data -> 'payload' ->> 'warning_id' as id`,
  );
  for (const { id } of rows)
    await mailWayInWarning(resources(smtp), { warning_id: id }, { signal: new AbortController().signal });
}

const logged = () =>
  lines.map((line) => JSON.parse(line)).map(({ level, namespace, days_left }) => ({ level, namespace, days_left }));

test('no owner is warned while the last way in is valid for more than a month', async () => {
  await letEnd(32);
  await day();
  expect([mails, lines]).toEqual([[], []]);
});

test('owners get a mail 30 days ahead, and one at each later step', async () => {
  await letEnd(30);
  await day();
  await day();
  expect(mails).toHaveLength(1);
  expect(mails[0]?.to).toEqual(['jane@example.org']);
  expect(mails[0]?.text).toContain('Subject: [Larder] acme: the last token of an owner expires in 30 days');
  expect(mails[0]?.text.replace(/=\r\n/g, '')).toContain('create another API token of an owner');
  // The daily job ran twice, and each run wrote a line.
  expect(logged()).toEqual(['warn', 'warn'].map((level) => ({ level, namespace: 'acme', days_left: 30 })));
  const moved = `update way_in_warnings set ends_at = t.expires_at from api_tokens t where t.organization_id = $1`;
  const titles = [];
  for (const days of [20, 14, 13, 7, 3, 1, 0]) {
    mails.length = 0;
    await letEnd(days);
    // Moves the end of the stored warnings to the new end of the token.
    await api.database.pool.query(moved, [api.acme.id]);
    await day();
    titles.push(/Subject: \[Larder\] (.*)/.exec(mails[0]?.text ?? '')?.[1]);
  }
  const left = (days: string) => `acme: the last token of an owner expires in ${days}`;
  expect(titles).toEqual([
    ...[undefined, left('14 days'), undefined, left('7 days'), left('3 days'), left('1 day')],
    'No owner of acme can log in any more',
  ]);
  expect(mails[0]?.text.replace(/=\r\n/g, '')).toContain('larder tokens create --operator --organization acme');
  expect(logged().at(-1)).toEqual({ level: 'error', namespace: 'acme', days_left: undefined });
});

test('a new token ends the warnings, also an enqueued one', async () => {
  await letEnd(5);
  await warnOfEndingWaysIn(resources());
  await letEnd(100);
  await work();
  await day();
  expect(mails).toEqual([]);
  await letEnd(6);
  await day();
  expect(mails).toHaveLength(1);
});

test('a mail is retried soon if the server is unavailable, and the next day if it rejects the mail', async () => {
  await letEnd(5);
  answer = 451;
  await expect(day()).rejects.toThrow(JobPostponed);
  answer = 550;
  await day();
  expect(mails).toEqual([]);
  expect(lines.join()).toContain('could not be mailed');
  answer = 250;
  await day();
  await day();
  expect(mails).toHaveLength(1);
});

test('without a mail server or addresses, warnings are only logged', async () => {
  await letEnd(5);
  await day('');
  const { pool } = api.database;
  await pool.query('update users set email = null where organization_id = $1', [api.acme.id]);
  await day();
  await pool.query(`update users set email = 'jane@example.org' where organization_id = $1`, [api.acme.id]);
  expect(logged()).toHaveLength(2);
  expect(mails).toEqual([]);
  await day();
  expect(mails).toHaveLength(1);
});

test('two concurrent runs send one mail', async () => {
  await letEnd(5);
  await Promise.all([1, 2].map(() => warnOfEndingWaysIn(resources())));
  await work();
  expect(mails).toHaveLength(1);
});
