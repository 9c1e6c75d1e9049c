// Notifications in the real queue. They are enqueued together with their event, delivered by a worker, and postponed while
// the mail server is unavailable.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import type { NotificationDelivery } from '../contract/notification-provider.ts';
import { inTransaction } from '../db/database.ts';
import { QUEUE_CHANNEL } from '../db/queue.ts';
import { openQueue, type Queue } from '../db/queue-worker.ts';
import { createEgress } from '../egress/egress.ts';
import { openLog } from '../log.ts';
import { recordNotificationEvent } from '../notify/notification-events.ts';
import { giveUp, handlersOf } from './tasks.ts';
import type { WorkerResources } from './worker-resources.ts';

let api: TestApi;
let queue: Queue;
let provider: string;
let server: SMTPServer;
const egress = createEgress({ allow: [] });
const mails: string[] = [];
/** The mail server at this address runs only in the tests that start it. */
const notifications = {
  smtp: { url: 'smtp://127.0.0.1:1', from: 'larder@example.org' },
  slackUrl: '',
  googleChatUrl: '',
};

beforeAll(async () => {
  api = await openTestApi();
  server = new SMTPServer({
    ...{ hideSTARTTLS: true, authOptional: true },
    onData: (stream, _session, done) => {
      void text(stream).then((said) => {
        mails.push(said);
        done();
      });
    },
  });
  // Has only the resources that deliveries use.
  const log = openLog({ level: 'error', destination: { write: () => undefined } });
  const taken = { db: api.database.db, identity: api.identity, egress, log, config: { notifications } };
  const resources = taken as unknown as WorkerResources;
  queue = await openQueue({ url: api.database.url });
  await queue.work(handlersOf(resources), {
    concurrency: 1,
    onExhausted: (job, error) => giveUp(resources, job, error),
  });
  const body = { type: 'EMAIL', name: 'ours', recipients: ['jane@example.org'] };
  provider = String((await api.ask('POST', '/v1/notification-providers', { body })).headers['location']);
}, 60_000);
afterAll(async () => {
  await queue.stop({ finishMs: 0 });
  egress.close();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  await api.close();
});

async function newest(): Promise<NotificationDelivery | undefined> {
  return (await api.ask('GET', `/larder${provider}/deliveries`)).json().items[0];
}

async function testMessage(): Promise<void> {
  expect((await api.ask('POST', `/larder${provider}/test`)).statusCode).toBe(202);
  await queue.drain();
}

test('a message that cannot be sent waits, and arrives once when the server is back', async () => {
  await testMessage();
  expect(await newest()).toMatchObject({
    type: 'TEST',
    status: 'PENDING',
    attempts: 1,
    last_error: expect.any(String),
  });
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  notifications.smtp.url = `smtp://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  // Ends the pause of the postponed job by setting its start time to now.
  const { rowCount } = await api.database.pool.query(
    `update queue.job set start_after = now() where start_after > now()`,
  );
  expect(rowCount).toBeGreaterThan(0);
  await api.database.pool.query(`select pg_notify('${QUEUE_CHANNEL}', '')`);
  await queue.drain();
  const delivery = await newest();
  expect(delivery).toMatchObject({ status: 'DELIVERED', attempts: 2 });
  expect(mails).toEqual([expect.stringContaining(`Message-ID: <${delivery?.id}@example.org>`)]);
});

test('an event is delivered as soon as it is recorded', async () => {
  await inTransaction(api.database.db, (tx) =>
    recordNotificationEvent(tx, {
      organization_id: api.acme.id,
      key: 'eol',
      event: {
        type: 'APPLICATION_EOL',
        catalog_id: api.acme.catalog_id,
        application_id: 'a',
        application: 'redis 7.0',
      },
    }),
  );
  await queue.drain();
  expect(await newest()).toMatchObject({ type: 'APPLICATION_EOL', status: 'DELIVERED', attempts: 1 });
  expect(mails.at(-1)).toContain('redis 7.0 reaches its end of life');
});
