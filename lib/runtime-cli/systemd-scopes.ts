import { UnsupportedError } from '../errors.js';
import { type Systemd, type SystemdOwner, startScopeUnit, stopUnit } from '../host/systemd-units.js';
import { during } from '../native/host-work.js';
import { planOf } from '../plan/plan.js';
import type { Caller } from './caller/caller.js';
import { ownRights, type Rights } from './caller/rights.js';
import type { GroupFolder } from './plan/bundle-groups.js';
import { type ScopeName, scopeUnit } from './plan/systemd-scope.js';
import type { UnitLimits } from './plan/unit-properties.js';
import { undoneAfter } from './undone-after.js';

/** A scope that a container is to be in. */
export interface WantedScope {
  /** `null`: the container is in none. */
  readonly name: ScopeName | null;
  readonly id: string;
  readonly limits: UnitLimits;
  /** Whose variables say where a systemd of the user is. */
  readonly caller: Pick<Caller, 'env'>;
}

/**
 * Makes the scope of a container, and then the container in the scope's group. systemd makes no scope without a process, and stops one when the last process is
 * gone: so a process that does nothing is there until the container's own is. When the container can't be made the scope is stopped.
 *
 * @param undo ends a container that was made, and its scope
 * @throws UnsupportedError: there is no systemd; DBusError; what `make` throws
 */
export async function inScope<T>(
  { name, id, limits, caller: { env } }: WantedScope,
  { make, undo }: { readonly make: () => Promise<T>; readonly undo: (made: T) => Promise<void> },
): Promise<T> {
  if (name === null) return make();
  const systemd: Systemd = { owner: name.of, env };
  const waiting = planOf({ stages: [{ flags: 0, steps: [{ op: 'park' }] }] });
  const made: T[] = [];
  try {
    return await during(waiting, new Map(), async ({ pid }) => {
      await startScopeUnit(systemd, scopeUnit(name, { id, pid, limits }));
      try {
        const one = await make();
        made.push(one);
        return one;
      } catch (error) {
        throw await undoneAfter(error, () => stopUnit(systemd, name.unit));
      }
    });
  } catch (error) {
    // the process that waited could not be ended
    throw await undoneAfter(error, () => Promise.all(made.map(undo)));
  }
}

/** The systemd that whoever has these rights asks for scopes. */
export const systemdOf = ({ isConfined }: Pick<Rights, 'isConfined'>): SystemdOwner => (isConfined ? 'user' : 'machine');

/** The systemd that a record names, when this process may ask it. @throws UnsupportedError: root of the machine has another one than the user whose record this is */
export function ownSystemd(of: SystemdOwner, { env }: Pick<Caller, 'env'>): Systemd {
  if (of === 'user' && systemdOf(ownRights(null, true)) === 'machine')
    throw new UnsupportedError(
      "a scope of a user's systemd",
      'root of the machine does not speak with it',
      'Call the runtime as that user.',
    );
  return { owner: of, env };
}

/** Stops the units whose groups these are. @throws DBusError; UnsupportedError: systemd is gone */
export async function stopUnits(folders: readonly Pick<GroupFolder, 'unit' | 'unitOf'>[], caller: Pick<Caller, 'env'>): Promise<void> {
  for (const { unit, unitOf = 'machine' } of folders) if (unit !== undefined) await stopUnit(ownSystemd(unitOf, caller), unit);
}
