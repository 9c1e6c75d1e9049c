// Warns owners before the last way for an owner to log in ends. Writes a log line every day. If a mail server is configured,
// also sends mails at intervals.
import { findOwnerAddresses } from '../catalog/notification-deliveries.ts';
import { inTransaction } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';
import { type JobContext, JobPostponed } from '../db/queue-worker.ts';
import { findDueWarning, keepDueWarning, recordMailedWarning } from '../identity/way-in-warnings.ts';
import { alternativesOf, findEndingWaysIn } from '../identity/ways-in.ts';
import { DeliveryError } from '../notify/delivery-error.ts';
import { sendMail } from '../notify/mail.ts';
import { messageOfWayInEnds } from '../notify/way-in-ends.ts';
import type { Resources } from '../resources.ts';

type Warning = Pick<Resources, 'db' | 'log'> & {
  identity: Pick<Resources['identity'], 'waysIn'>;
  config: Pick<Resources['config'], 'notifications'>;
};

/** The pause between attempts while the mail server is unavailable. */
const MAIL_PAUSE_SECONDS = 15 * 60;

/** Logs each organization whose owners cannot log in, or soon cannot. Enqueues the mail that is due. */
export async function warnOfEndingWaysIn({ db, log, identity, config }: Warning): Promise<void> {
  for (const ending of await findEndingWaysIn(db, identity.waysIn)) {
    const { organization_id, namespace, ends_at, days_left } = ending;
    const where = { organization_id, namespace, ends_at };
    const addresses = await findOwnerAddresses(db, organization_id);
    const mail = config.notifications.smtp === undefined ? 'not configured' : `${addresses.length} owners`;
    if (days_left > 0) log.warn({ ...where, days_left, mail }, 'the last way in of the owners of an organization ends');
    else log.error({ ...where, mail }, 'no owner of an organization can log in: use «larder tokens create --operator»');
    if (config.notifications.smtp === undefined || addresses.length === 0) continue;
    await inTransaction(db, async (tx) => {
      const warning_id = await keepDueWarning(tx, ending);
      if (warning_id === undefined) return;
      await enqueue(tx, 'mail-way-in-warning', { warning_id }, { key: warning_id, group: organization_id });
    });
  }
}

/**
 * Mails one warning to the owners. Does nothing if the mail was sent or the warning does not apply any more. Throws
 * JobPostponed if the mail server is unavailable.
 */
export async function mailWayInWarning(
  { db, log, identity, config }: Warning,
  { warning_id }: { warning_id: string },
  { signal }: Pick<JobContext, 'signal'>,
): Promise<void> {
  const { smtp } = config.notifications;
  const ending = await findDueWarning(db, identity.waysIn, warning_id);
  if (smtp === undefined || !ending?.ends_at) return;
  const to = await findOwnerAddresses(db, ending.organization_id);
  if (to.length === 0) return;
  const message = messageOfWayInEnds({
    ...ending,
    ends_at: ending.ends_at,
    alternatives: alternativesOf(identity.waysIn),
  });
  try {
    const rejected = await sendMail(message, smtp, { to, id: warning_id, at: new Date(), signal });
    if (rejected.length > 0)
      log.warn({ warning_id, count: rejected.length }, 'the mail server rejected addresses of owners');
  } catch (error) {
    if (!(error instanceof DeliveryError)) throw error;
    if (error.temporary) throw new JobPostponed(MAIL_PAUSE_SECONDS, error.message);
    // This job ends without an error. The next daily job enqueues the mail again.
    log.warn({ warning_id, cause: error.message }, 'a warning to owners could not be mailed');
    return;
  }
  await inTransaction(db, (tx) => recordMailedWarning(tx, warning_id));
}
