// The mail that warns owners because the last way for an owner to log in ends soon or has ended.
import { type Message, oneLine } from './message.ts';

export type WayInEnds = {
  organization_name: string;
  namespace: string;
  ends_at: Date;
  /** Days until the last way in ends. 0 if it has ended. */
  days_left: number;
  /** What owners can do to get another way to log in. The text completes a sentence. */
  alternatives: string;
};

/** Returns the text of the warning. */
export function messageOfWayInEnds(warning: WayInEnds): Message {
  const { namespace, days_left, alternatives } = warning;
  const name = oneLine(warning.organization_name);
  const at = `${warning.ends_at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  if (days_left === 0) {
    return {
      title: `No owner of ${name} can log in any more`,
      lines: [
        `The last API token with which an owner could log in expired at ${at}.`,
        `The operator of this installation can let an owner in, on the machine that reaches its database: larder tokens create --operator --organization ${namespace}`,
      ],
    };
  }
  return {
    title: `${name}: the last token of an owner expires in ${days_left} ${days_left === 1 ? 'day' : 'days'}`,
    lines: [
      `It expires at ${at}. After that no owner can log in, and nobody can create another token.`,
      `Before then, ${alternatives}.`,
    ],
  };
}
