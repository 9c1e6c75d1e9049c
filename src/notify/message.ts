// Writes the text of a message about an event as plain lines. The functions for mail and chats escape the text.
import type { NotificationEvent } from '../contract/notification-event.ts';

export type Message = {
  /** The title, in one line. */
  title: string;
  lines: string[];
  /** The address of a page or resource with details. */
  link?: string;
};

/** The most names in a message. The page behind the link has all names. */
const NAMED_MAX = 20;

/**
 * Returns the text for an event. `publicUrl` is the address at which clients reach the installation. Without it, the message
 * has no link.
 */
export function messageOf(event: NotificationEvent, options: { publicUrl?: string } = {}): Message {
  const { path, ...message } = wordsOf(event);
  const hasLink = path !== undefined && options.publicUrl !== undefined;
  return {
    title: oneLine(message.title),
    lines: message.lines.map(oneLine),
    ...(hasLink && { link: new URL(path, options.publicUrl).href }),
  };
}

function wordsOf(event: NotificationEvent): { title: string; lines: string[]; path?: string } {
  switch (event.type) {
    case 'CRITICAL_CVE_PATCH_AVAILABLE':
      return {
        title: `${event.application}: ${event.version} fixes ${event.vulnerabilities[0] ?? 'a vulnerability'}`,
        lines: [`Released: ${event.artifact}`, `Fixed: ${named(event.vulnerabilities)}`],
        path: `/v1/catalogs/${event.catalog_id}/releases/${event.release_id}`,
      };
    case 'APPLICATION_REQUEST_CREATED': {
      const verb = event.request_type === 'add' ? 'add' : 'remove';
      return {
        title: `${event.created_by} asked to ${verb} ${countOf(event.applications.length, 'application')}`,
        lines: [`Request: ${event.name}`, `Applications: ${named(event.applications)}`],
        path: `/v1/catalogs/${event.catalog_id}/application-requests/${event.request_id}`,
      };
    }
    case 'REGISTRY_HEALTH_CHANGES': {
      const { unhealthy_cause } = event;
      return {
        title: `Registry ${event.name} ${unhealthy_cause === undefined ? 'can be used again' : 'cannot be used'}`,
        lines: unhealthy_cause === undefined ? [] : [unhealthy_cause],
        path: `/v1/registries/${event.registry_id}`,
      };
    }
    case 'APPLICATION_UNSUPPORTED':
      return {
        title: `${event.application} is no longer supported`,
        lines: [`It gets no new releases${event.at === undefined ? '' : ` after ${event.at.slice(0, 10)}`}.`],
        path: applicationPath(event),
      };
    case 'APPLICATION_EOL':
      return {
        title: `${event.application} reaches its end of life`,
        lines: [`Upstream ends its support${event.at === undefined ? '' : ` on ${event.at.slice(0, 10)}`}.`],
        path: applicationPath(event),
      };
    case 'MONTHLY_NEW_APPLICATIONS_OFFERING':
      return {
        title: `${countOf(event.total, 'new offering')} in ${event.month}`,
        lines: [`New: ${named(event.offerings, event.total)}`],
        path: '/v1/applications-offering',
      };
    case 'TEST':
      return { title: 'Test message', lines: [`${event.asked_by} requested this message: notifications arrive here.`] };
  }
}

function applicationPath({ catalog_id, application_id }: { catalog_id: string; application_id: string }): string {
  return `/v1/catalogs/${catalog_id}/applications/${application_id}`;
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function named(names: string[], total = names.length): string {
  const shown = names.slice(0, NAMED_MAX);
  const rest = total - shown.length;
  return shown.join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/**
 * Removes line ends, because a name could add a header to a mail with them. Also removes characters that change the direction
 * of the text.
 */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]+/gu, ' ').trim();
}
