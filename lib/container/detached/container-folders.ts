import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../../errors.js';
import { requireOwn } from '../../native/own-folder.js';
import { runtimeDir, shimFolder } from '../../native/runtime-dir.js';
import { attempt } from '../../native/system-errors.js';

// A detached container's place in the runtime folder, which goes at a reboot:
//
//   containers/ID/note         what the container is, written before its first process is made
//   containers/ID/shim.sock    the socket of its shim
//   containers/ID/exit         the evidence of its end, written before anybody hears of the end
//   names/NAME                 the ID of the container with that name: a hard link of containers/ID/name
//   owners/ID                  the lock of its shim, as every shim has one

/** The folder of one container. Its shim makes the folder. */
export function containerFolder(id: string): string {
  return shimFolder(id);
}

export function namesFolder(): string {
  return join(runtimeDir(), 'names');
}

/**
 * The ids of all detached containers of this user, the ended ones too.
 *
 * @throws NacelleError `ERR_NOT_OWN`: the runtime folder is another user's; SyscallError
 */
export function containerIds(): string[] {
  requireOwn(runtimeDir());
  return attempt('list the containers', () => {
    try {
      return readdirSync(join(runtimeDir(), 'containers'));
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return [];
      throw error;
    }
  });
}
