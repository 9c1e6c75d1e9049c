// Sends messages to chats: with Slack's chat.postMessage, and with webhooks of Google Chat spaces. Escapes the markup of each
// chat.
import type { Egress } from '../egress/egress.ts';
import { DeliveryError, shortLine } from './delivery-error.ts';
import type { Message } from './message.ts';
import { type Posted, postJson } from './post-json.ts';

export type SlackSettings = { channel_id: string; token: string };
export type GoogleChatSettings = { space_id: string; key: string; token: string };

/**
 * `id` stays the same when a message is sent again, so that the chat can recognize it. `apiUrl` is the address of the chat's
 * API.
 */
export type ChatOptions = { egress: Egress; apiUrl: string; id: string; signal?: AbortSignal };

/** Slack's error codes after which another attempt may succeed (docs.slack.dev, chat.postMessage, errors). */
const SLACK_TEMPORARY = [
  'ratelimited',
  'rate_limited',
  'message_limit_exceeded',
  'fatal_error',
  'internal_error',
  'request_timeout',
  'service_unavailable',
  'team_added_to_org',
];
const SLACK_ADVICE: Record<string, string> = {
  invalid_auth: 'give the provider another token',
  not_authed: 'give the provider another token',
  token_revoked: 'give the provider another token',
  token_expired: 'give the provider another token',
  account_inactive: 'give the provider another token',
  missing_scope: 'the app needs the scope chat:write',
  channel_not_found: 'name a channel that the app can see',
  not_in_channel: 'invite the app to the channel',
  is_archived: 'name a channel that is not archived',
};

/** Sends a message to a channel of Slack. Throws DeliveryError. */
export async function sendToSlack(message: Message, settings: SlackSettings, options: ChatOptions): Promise<void> {
  const answer = await postJson(new URL('/api/chat.postMessage', options.apiUrl), {
    ...options,
    whom: 'Slack',
    headers: { Authorization: `Bearer ${settings.token}` },
    body: {
      channel: settings.channel_id,
      text: textOf(message, escapeForSlack),
      // Sends plain text, without bold text, mentions of people and previews of links.
      mrkdwn: false,
      parse: 'none',
      link_names: false,
      unfurl_links: false,
      unfurl_media: false,
      client_msg_id: options.id,
    },
  });
  rejectStatus(answer, 'Slack');
  const { ok, error } = (isRecord(answer.body) ? answer.body : {}) as { ok?: unknown; error?: unknown };
  if (ok === true) return;
  const code = typeof error === 'string' && /^[\w.-]{1,80}$/.test(error) ? error : 'no reason';
  const advice = SLACK_ADVICE[code];
  throw new DeliveryError(`Slack rejected the message: ${code}${advice === undefined ? '' : ` (${advice})`}`, {
    temporary: SLACK_TEMPORARY.includes(code),
  });
}

/** Sends a message to a space of Google Chat with the space's webhook. Throws DeliveryError. */
export async function sendToGoogleChat(
  message: Message,
  settings: GoogleChatSettings,
  options: ChatOptions,
): Promise<void> {
  const url = new URL(`/v1/spaces/${encodeURIComponent(settings.space_id)}/messages`, options.apiUrl);
  url.searchParams.set('key', settings.key);
  url.searchParams.set('token', settings.token);
  url.searchParams.set('requestId', options.id);
  const body = { text: textOf(message, escapeForGoogleChat) };
  rejectStatus(await postJson(url, { ...options, whom: 'Google Chat', headers: {}, body }), 'Google Chat');
}

function rejectStatus({ status, retryAfterSeconds }: Posted, whom: string): void {
  if (status >= 200 && status < 300) return;
  const advice =
    status === 401 || status === 403
      ? ': give the provider other credentials'
      : status === 404
        ? ': the space or the channel does not exist'
        : '';
  throw new DeliveryError(shortLine(`${whom} answered ${status}${advice}`), {
    temporary: status === 429 || status === 408 || status >= 500,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
}

function textOf({ title, lines, link }: Message, escapeText: (text: string) => string): string {
  const said = [title, ...lines].map(escapeText);
  return [...said, ...(link === undefined ? [] : [link])].join('\n');
}

/**
 * Escapes the three control characters of Slack (docs.slack.dev, formatting message text). Otherwise the text could contain
 * mentions and links.
 */
function escapeForSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

const LOOKALIKES: Record<string, string> = { '<': '‹', '>': '›', '*': '∗', _: 'ˍ', '~': '∼', '`': 'ˋ' };

/** Replaces the characters of Google Chat's markup by similar characters, because Google Chat has no way to escape them. */
function escapeForGoogleChat(text: string): string {
  return text.replace(/[<>*_~`]/g, (character) => LOOKALIKES[character] ?? '');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
