const ID = /^(?:0|[1-9]\d{0,9})$/;
/** Names as useradd(8) and directories of users make them. A name does not begin with '-', for that would look like a negative number. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.@\\-]*\$?$/;
const MAX_ID = 0xfffffffe;

/** What is wrong with one half of a user, or `null`. */
function problemOf(part: string, what: string): string | null {
  if (part === '') return `has an empty ${what}`;
  if (/^\d+$/.test(part)) {
    if (!ID.test(part)) return `has a ${what} id that is not written exactly: ${part}`;
    return Number(part) <= MAX_ID ? null : `has a ${what} id past ${MAX_ID}: ${part}`;
  }
  if (part.length > 255) return `has a ${what} name of more than 255 characters`;
  return NAME.test(part) ? null : `has a ${what} name that can't be one: ${JSON.stringify(part)}`;
}

/**
 * Checks 'name', 'uid', 'user:group' or a uid, exactly: '0001' is no way to write 1, and what is not a
 * number is never taken for 0. Whether a name exists is seen in the container's own files, later.
 *
 * @returns the user as a string, or what is wrong with it
 */
export function checkUser(value: string | number): { user: string } | { problem: string } {
  const user = String(value);
  const [name = '', group, ...rest] = user.split(':');
  if (rest.length > 0) return { problem: "must be 'user' or 'user:group': it has more than one ':'" };
  const problem = problemOf(name, 'user') ?? (group === undefined ? null : problemOf(group, 'group'));
  return problem === null ? { user } : { problem };
}

/**
 * Checks one group of `groupAdd`: 'name', 'gid' or a gid, as exactly as {@link checkUser}.
 *
 * @returns the group as a string, or what is wrong with it
 */
export function checkGroup(value: string | number): { group: string } | { problem: string } {
  const group = String(value);
  const problem = problemOf(group, 'group');
  return problem === null ? { group } : { problem };
}
