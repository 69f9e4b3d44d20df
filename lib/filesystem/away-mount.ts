import { closeSync, openSync } from 'node:fs';
import { pid } from 'node:process';
import { NacelleError } from '../errors.js';
import { containerShim } from '../host/container-shim.js';
import { isWithin } from '../host/mountinfo.js';
import { carryOut } from '../native/host-work.js';
import { closeDescriptor } from '../native/load-addon.js';
import type { Shim } from '../native/shim.js';
import { attempt } from '../native/system-errors.js';
import { O_PATH } from '../plan/constants.js';
import { type OverlaySource, planBindOf, planMake } from './overlay-plan.js';

/** An overlay of an ordinary user, in a mount namespace that nobody is in: it lives as long as the descriptors. */
export interface Away {
  /** Its root, by the descriptor of this process. */
  readonly path: string;
  /** A detached mount of what a path in it shows, as a descriptor that the caller closes. @throws SyscallError */
  bind(path: string): Promise<number>;
  close(): void;
}

const KEY: unique symbol = Symbol.for('nacelle.away-mounts');

/** Where all of them are that are mounted by this thread, whichever copy of the package made them: a program may have loaded two. */
const shared: typeof globalThis & { [KEY]?: Set<Pick<Away, 'path' | 'bind'>> } = globalThis;
shared[KEY] ??= new Set();
const mounted = shared[KEY];

/**
 * What a path shows that leads into an overlay of an ordinary user, as a detached mount which the caller closes; `null` for any other path,
 * which can be bound as it is.
 *
 * @throws SyscallError
 */
export async function bindOfAway(path: string): Promise<number | null> {
  for (const away of mounted) if (isWithin(path, away.path)) return away.bind(path);
  return null;
}

/** @param shim who is root of the user namespace that the overlay belongs to */
export async function makeAway(source: OverlaySource, shim: Shim): Promise<{ readonly away: Away; readonly changes: number }> {
  const planned = planMake(source);
  const { descriptors } = await carryOut(planned.plan, new Map(), shim);
  const [mount, namespace, changes] = [planned.mount, planned.namespace, planned.changes].map((slot) => descriptors.get(slot));
  if (mount === undefined || namespace === undefined || changes === undefined) {
    for (const fd of descriptors.values()) closeDescriptor(fd);
    throw new NacelleError('the shim gave no overlay', { code: 'ERR_PROTOCOL' });
  }
  let isOpen = true;
  const inside = (): number => {
    if (!isOpen) throw new NacelleError(`the overlay on ${path} is unmounted`, { code: 'ERR_CLOSED' });
    return namespace;
  };
  const path = `/proc/${pid}/fd/${mount}`;
  const away: Away = {
    path,
    bind: (wanted) => bindOf(inside, wanted),
    close: () => {
      isOpen = false;
      mounted.delete(away);
      closeDescriptor(mount);
      closeDescriptor(namespace);
    },
  };
  mounted.add(away);
  return { away, changes };
}

/** @param namespace asked for when its descriptor is sent, as it may be closed before */
async function bindOf(namespace: () => number, path: string): Promise<number> {
  const place = attempt(`open ${path}`, () => openSync(path, O_PATH));
  try {
    const shim = await containerShim();
    const { plan, slots, mount } = planBindOf(namespace(), place);
    const { descriptors } = await carryOut(plan, slots.descriptors, shim);
    const fd = descriptors.get(mount);
    if (fd === undefined) throw new NacelleError('the shim gave no mount', { code: 'ERR_PROTOCOL' });
    return fd;
  } finally {
    closeSync(place);
  }
}
