import { closeSync, openSync } from 'node:fs';
import { pid } from 'node:process';
import { NacelleError } from '../errors.js';
import { containerShim } from '../host/container-shim.js';
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
      closeDescriptor(mount);
      closeDescriptor(namespace);
    },
  };
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
