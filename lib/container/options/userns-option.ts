import * as z from 'zod';
import { invalidOption } from '../../errors.js';
import { idMap } from '../../options/common-schemas.js';
import { checkIdMap } from '../../plan/user-maps.js';
import type { UserMaps } from '../../plan/userns-maps.js';

export const usernsSchema = z.union([z.enum(['host', 'auto', 'keep-id']), z.strictObject({ uid: idMap, gid: idMap })], {
  error: "must be 'host', 'auto', 'keep-id' or maps { uid, gid }",
});

export type ParsedUserns = 'host' | 'auto' | 'keep-id' | UserMaps;

/** @throws NacelleError `ERR_INVALID_OPTION` for maps that the kernel would refuse, or that lack the root */
export function checkUserMaps(maps: UserMaps): void {
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
