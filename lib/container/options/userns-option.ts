import * as z from 'zod';
import { invalidOption } from '../../errors.js';
import { id } from '../../options/common-schemas.js';
import { checkIdMap, type IdMap } from '../../plan/user-maps.js';

/** Ids of a container's own user namespace, and whose they are outside: lines of /proc/PID/uid_map and gid_map. */
export interface UserMapsOption {
  readonly uid: readonly IdMap[];
  readonly gid: readonly IdMap[];
}

const idMap = z.array(
  z.strictObject({
    inside: id,
    outside: id,
    count: z
      .int()
      .min(1)
      .max(2 ** 32 - 1),
  }),
);

export const usernsSchema = z.union([z.enum(['host', 'auto', 'keep-id']), z.strictObject({ uid: idMap, gid: idMap })], {
  error: "must be 'host', 'auto', 'keep-id' or maps { uid, gid }",
});

export type ParsedUserns = 'host' | 'auto' | 'keep-id' | UserMapsOption;

/** @throws NacelleError `ERR_INVALID_OPTION` for maps that the kernel would refuse, or that lack the root */
export function checkUserMaps(maps: UserMapsOption): void {
  for (const kind of ['uid', 'gid'] as const) {
    checkIdMap(`userns.${kind}`, maps[kind]);
    if (!maps[kind].some(({ inside }) => inside === 0))
      throw invalidOption(`userns.${kind}`, 'must have the id 0 inside, which is root there');
  }
}

/** A user that is given by its numbers; `null` for a name. Without a group it has the one of the same number. */
export function numericUser(user: string | null): { readonly uid: number; readonly gid: number } | null {
  const [, uid, gid = uid] = /^(\d+)(?::(\d+))?$/.exec(user ?? '') ?? [];
  return uid === undefined || gid === undefined ? null : { uid: Number(uid), gid: Number(gid) };
}
