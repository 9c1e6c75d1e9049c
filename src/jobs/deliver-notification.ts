// Sends one message to one provider, retries temporary failures, and records the outcome.
import {
  type ClaimedDelivery,
  claimDelivery,
  findOwnerAddresses,
  forgetOldNotifications,
  recordDelivery,
} from '../catalog/notification-deliveries.ts';
import { NotificationEvent } from '../contract/notification-event.ts';
import { inTransaction } from '../db/database.ts';
import { type JobContext, JobPostponed } from '../db/queue-worker.ts';
import { sendToGoogleChat, sendToSlack } from '../notify/chat.ts';
import { DeliveryError } from '../notify/delivery-error.ts';
import { sendMail } from '../notify/mail.ts';
import { messageOf } from '../notify/message.ts';
import { notifyOfMonthlyOfferings } from '../notify/monthly-offerings.ts';
import { StoredValueError, storedValue } from '../plan/stored-value.ts';
import type { Resources } from '../resources.ts';

const readStoredEvent = storedValue('notification', NotificationEvent);

type Sending = Pick<Resources, 'db' | 'egress' | 'identity' | 'log'> & {
  config: Pick<Resources['config'], 'notifications'>;
};

/**
 * How often sending is tried. The first pause is 30 s and each later pause is twice as long, so a provider may be unavailable
 * for four hours.
 */
const ATTEMPTS_MAX = 10;
const FIRST_PAUSE_SECONDS = 30;
/** The pause before this worker tries again if another worker is sending the message. */
const BUSY_SECONDS = 10;

/**
 * Sends a pending delivery. Does nothing if the delivery was already sent or has failed. Throws JobPostponed if the message
 * must be sent later.
 */
export async function deliverNotification(
  resources: Sending,
  { delivery_id }: { delivery_id: string },
  { signal }: Pick<JobContext, 'signal'>,
): Promise<void> {
  const { db, log } = resources;
  const claimed = await inTransaction(db, (tx) => claimDelivery(tx, delivery_id));
  if (claimed === 'BUSY') throw new JobPostponed(BUSY_SECONDS, 'the message is being sent');
  if (claimed === undefined) return;
  const failure = await failureOf(resources, claimed, signal);
  if (failure === undefined) return;
  const isOver = !failure.temporary || claimed.attempts >= ATTEMPTS_MAX;
  log.info({ delivery_id, cause: failure.message, is_over: isOver }, 'a notification could not be delivered');
  const tries = isOver && failure.temporary ? ` (it was tried ${ATTEMPTS_MAX} times)` : '';
  const outcome = { id: delivery_id, status: isOver ? 'FAILED' : 'PENDING', error: failure.message + tries } as const;
  await inTransaction(db, (tx) => recordDelivery(tx, outcome));
  if (isOver) return;
  const pause = FIRST_PAUSE_SECONDS * 2 ** (claimed.attempts - 1);
  throw new JobPostponed(Math.max(pause, failure.retryAfterSeconds ?? 0), failure.message);
}

async function failureOf(
  resources: Sending,
  claimed: ClaimedDelivery,
  signal: AbortSignal,
): Promise<DeliveryError | undefined> {
  try {
    const rejected = await send(resources, claimed, signal);
    const error = rejected.length === 0 ? {} : { error: `The mail server rejected ${rejected.join(', ')}.` };
    await inTransaction(resources.db, (tx) => recordDelivery(tx, { id: claimed.id, status: 'DELIVERED', ...error }));
    return undefined;
  } catch (error) {
    if (error instanceof DeliveryError) return error;
    if (error instanceof StoredValueError) return final(error.message);
    throw error;
  }
}

/**
 * Sends the message. Returns the addresses that the mail server rejected, if it accepted others. Throws DeliveryError if
 * nobody gets the message.
 */
async function send(resources: Sending, claimed: ClaimedDelivery, signal: AbortSignal): Promise<string[]> {
  const { id, event, provider, organization_id, public_url } = claimed;
  const { egress, config } = resources;
  const message = messageOf(readStoredEvent(event, id), public_url === null ? {} : { publicUrl: public_url });
  if (provider.type === 'EMAIL') {
    const { smtp } = config.notifications;
    if (smtp === undefined) throw final('This installation has no mail server; its operator can set LARDER_SMTP_URL');
    const to = provider.recipients ?? (await findOwnerAddresses(resources.db, organization_id));
    if (to.length === 0) {
      throw final('The provider has no recipients and no owner has an e-mail address; add recipients to the provider');
    }
    return await sendMail(message, smtp, { to, id, at: new Date(claimed.happened_at), signal });
  }
  const opened = resources.identity.unseal(provider.sealed_settings, { organization_id, row_id: provider.id });
  const settings = JSON.parse(opened);
  const options = { egress, id, signal };
  if (provider.type === 'SLACK')
    await sendToSlack(message, settings, { ...options, apiUrl: config.notifications.slackUrl });
  else await sendToGoogleChat(message, settings, { ...options, apiUrl: config.notifications.googleChatUrl });
  return [];
}

function final(message: string): DeliveryError {
  return new DeliveryError(message, { temporary: false });
}

/** Records the monthly notifications, and deletes old ones. */
export async function tendNotifications({ db }: Pick<Resources, 'db'>): Promise<void> {
  await inTransaction(db, notifyOfMonthlyOfferings);
  await inTransaction(db, forgetOldNotifications);
}
