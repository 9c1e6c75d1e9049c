// Sends mail through the operator's mail server: one plain text message to several addresses of an organization.
import { createTransport } from 'nodemailer';
import { describeFault, faultOfError, type NetworkFault } from '../egress/network-faults.ts';
import { DeliveryError, shortLine } from './delivery-error.ts';
import type { Message } from './message.ts';

/** The operator's mail server. The egress does not check its address, because the operator has configured it. */
export type MailSettings = {
  /** `smtp://user:password@host:587` (uses STARTTLS if the server offers it) or `smtps://host:465`. */
  url: string;
  /** The sender, such as `Larder <larder@example.org>`. */
  from: string;
};

export type MailOptions = {
  to: string[];
  /**
   * The id of the delivery. The Message-ID is made from it, so that mail clients show a mail that was sent twice only once.
   */
  id: string;
  /** The time of the event. */
  at: Date;
  signal?: AbortSignal;
  /** The time limit for the whole delivery. The default is `DELIVERY_MS_MAX`. */
  timeoutMs?: number;
};

const CONNECT_MS_MAX = 10_000;
const SILENCE_MS_MAX = 20_000;
/**
 * The time limit for a delivery. It ends a delivery to a server that only sends a byte from time to time, because such a
 * server never exceeds SILENCE_MS_MAX. It is shorter than the claim of a worker on a delivery.
 */
const DELIVERY_MS_MAX = 60_000;

/**
 * Sends a mail. Returns the addresses that the server rejected, if it accepted others. Throws DeliveryError. If `signal` is
 * aborted, throws its reason.
 */
export async function sendMail(message: Message, settings: MailSettings, options: MailOptions): Promise<string[]> {
  const transport = createTransport(transportOf(settings.url));
  const timeoutMs = options.timeoutMs ?? DELIVERY_MS_MAX;
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
  try {
    const sent = await transport.sendMail({
      from: settings.from,
      to: options.to.map((address) => ({ name: '', address })),
      subject: `[Larder] ${message.title}`,
      text: [...[message.title, ''], ...message.lines, ...(message.link === undefined ? [] : ['', message.link])].join(
        '\n',
      ),
      messageId: `<${options.id}@${domainOf(settings.from)}>`,
      date: options.at,
      // Prevents automatic replies (RFC 3834, section 5).
      headers: { 'Auto-Submitted': 'auto-generated' },
      disableFileAccess: true,
      disableUrlAccess: true,
      signal,
    });
    return sent.rejected.map(shortLine);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (deadline.aborted) {
      const message = `The mail server did not accept the message within ${timeoutMs / 1000} seconds`;
      throw new DeliveryError(message, { temporary: true });
    }
    throw failed(error);
  } finally {
    transport.close();
  }
}

function transportOf(address: string) {
  const url = new URL(address);
  const secure = url.protocol === 'smtps:';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const auth = url.username !== '' && {
    user: decodeURIComponent(url.username),
    pass: decodeURIComponent(url.password),
  };
  return {
    host,
    port: Number(url.port || (secure ? 465 : 587)),
    secure,
    ...(auth && { auth }),
    // The password is sent only over TLS, or to this machine.
    ...(auth && !secure && !/^(127\.|::1$|localhost$)/.test(host) && { requireTLS: true }),
    connectionTimeout: CONNECT_MS_MAX,
    greetingTimeout: CONNECT_MS_MAX,
    socketTimeout: SILENCE_MS_MAX,
    logger: false as const,
  };
}

/** Returns the domain of the sender's address. */
function domainOf(from: string): string {
  return /@([A-Za-z0-9.-]+)/.exec(from)?.[1] ?? 'larder.invalid';
}

/** What the operator can do about each network fault. The message is sent again later in any case. */
const REMEDIES: Partial<Record<NetworkFault, string>> = {
  CERTIFICATE_EXPIRED: 'The administrator of the mail server has to renew it',
  CERTIFICATE_NOT_YET_VALID:
    'The administrator of the mail server has to replace it, unless the clock of this installation is wrong',
  CERTIFICATE_NAME:
    'The operator can use that name in LARDER_SMTP_URL, or give the server a certificate for its own name',
  CERTIFICATE_UNTRUSTED: 'The operator can add the authority (NODE_EXTRA_CA_CERTS)',
};

function explainFault(error: unknown): string | undefined {
  const fault = faultOfError(error);
  if (fault === undefined) return undefined;
  const remedy = REMEDIES[fault] ?? 'The operator has to check LARDER_SMTP_URL and the mail server';
  const sentence = describeFault(fault, 'the mail server');
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}. ${remedy}.`;
}

/**
 * Converts an error to a DeliveryError. 4xx is a temporary error, and 5xx is a permanent error (RFC 5321, section 4.2.1).
 * Omits the server's answer to the log-in, because an organization reads the error but the log-in belongs to the operator.
 */
function failed(error: unknown): DeliveryError {
  const { code, responseCode, response } = (error instanceof Error ? error : {}) as {
    code?: string;
    responseCode?: number;
    response?: string;
  };
  const isFinal = responseCode !== undefined && responseCode >= 500;
  if (code === 'EAUTH' || code === 'ENOAUTH') {
    const message =
      'The mail server rejects the user name and password of this installation; the operator has to check LARDER_SMTP_URL';
    return new DeliveryError(message, { temporary: responseCode !== undefined && responseCode < 500 });
  }
  if (responseCode !== undefined) {
    const message = `The mail server rejected the message: ${shortLine(response ?? String(responseCode))}`;
    return new DeliveryError(message, { temporary: !isFinal });
  }
  const message = explainFault(error) ?? `The mail server cannot be used: ${code ?? 'no answer'}`;
  return new DeliveryError(message, { temporary: true });
}
