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
  const away: Away = {
    path: `/proc/${pid}/fd/${mount}`,
    bind: (path) => bindOf(namespace, path),
    close: () => {
      closeDescriptor(mount);
      closeDescriptor(namespace);
    },
  };
  return { away, changes };
}

async function bindOf(namespace: number, path: string): Promise<number> {
  const place = attempt(`open ${path}`, () => openSync(path, O_PATH));
  try {
    const { plan, slots, mount } = planBindOf(namespace, place);
    const { descriptors } = await carryOut(plan, slots.descriptors, await containerShim());
    const fd = descriptors.get(mount);
    if (fd === undefined) throw new NacelleError('the shim gave no mount', { code: 'ERR_PROTOCOL' });
    return fd;
  } finally {
    closeSync(place);
  }
}
