// Names of users and groups in a declaration.

/** A user or group by name or number. */
export type OwnerName = string | number;

/**
 * The names that shadow's useradd accepts (useradd(8), is_valid_name), and also capitals, which directory services use. Excludes numbers
 * that could be ids.
 */
export const NAME_PATTERN = '^[A-Za-z_][A-Za-z0-9_.-]{0,30}[A-Za-z0-9_.$-]?$';
const NAME = new RegExp(NAME_PATTERN, 'u');
/** The highest id. Builds and tests run in a user namespace with the ids 0 to 65535, and 65535 means "no id". */
export const ID_MAX = 65534;

/** Reads `user` or `user:group`; returns undefined for anything else. */
export function readOwner(text: string): { user: OwnerName; group?: OwnerName } | undefined {
  const [userText = '', groupText, ...rest] = text.split(':');
  const user = readName(userText);
  if (user === undefined || rest.length > 0) return undefined;
  if (groupText === undefined) return { user };
  const group = readName(groupText);
  return group === undefined ? undefined : { user, group };
}

function readName(text: string): OwnerName | undefined {
  return NAME.test(text) ? text : readId(text);
}

/** Reads the id of a user or group; returns undefined if the text is not an id. */
export function readId(text: string): number | undefined {
  return /^(0|[1-9][0-9]{0,9})$/.test(text) && Number(text) <= ID_MAX ? Number(text) : undefined;
}
