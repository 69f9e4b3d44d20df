import { closeSync } from 'node:fs';
import { getegid, geteuid } from 'node:process';
import { launchInUsers } from '../host/container-shim.js';
import { isLiving, processSeen } from '../host/process-identity.js';
import { writeAnyMaps } from '../host/write-maps.js';
import { delay, monotonicMs } from '../native/clock.js';
import type { Connection } from '../native/connection.js';
import { endShim, letGoShim, start } from '../native/shim.js';
import type { StartPlan } from '../native/task.js';
import type { BundleLinux } from '../oci-config/config-schema.js';
import type { UserMaps } from './config/bundle-user-maps.js';
import { refusal } from './config/runtime-error.js';
import { openJoined } from './runtime-machine.js';

/** The shim that makes a container. */
export interface MakingShim {
  readonly start: StartPlan;
  /** Ends it: the container that it has handed over then belongs to whoever is the subreaper above. */
  end(): Promise<void>;
  /** Asks nothing more of it. The command's caller waits for its end; in a Node of its own {@link endShim} does, with which each command ends there. */
  letGo(): Promise<void>;
}

/** The shim of this process, or that of the front whose command it does. */
const own: MakingShim = {
  start,
  end: endShim,
  letGo() {
    letGoShim();
    return Promise.resolve();
  },
};

/**
 * The shim that makes a container: for an ordinary user one that is root of the container's user namespace, which is made, or joined, for that.
 *
 * @param maps those of that namespace; `null`: this process's own shim does it
 * @throws SyscallError; UnsupportedError where this user can have no such namespace
 */
export async function makingShim(maps: UserMaps | null, linux: BundleLinux | undefined): Promise<MakingShim> {
  if (maps === null) return own;
  const opened = openJoined(linux ?? { namespaces: [] }, (type) => type === 'user');
  const joined = opened.get('user');
  const user = { uid: geteuid?.() ?? 0, gid: getegid?.() ?? 0 };
  try {
    const shim = await launchInUsers({ ...(joined === undefined ? {} : { joined }), writeMaps: (pid) => writeAnyMaps(pid, maps, user) });
    const startTime = processSeen(shim.pid)?.startTime ?? '';
    const end = (): Promise<void> => ended(shim, startTime);
    return { start: shim.startPlan, end, letGo: end };
  } finally {
    if (joined !== undefined) closeSync(joined);
  }
}

/** A shim that is asked to end does so at once, unless somebody stops it. */
const ENDING_MS = 10_000;

async function ended(shim: Connection, startTime: string): Promise<void> {
  const { pid } = shim;
  shim.close();
  try {
    await untilGone(pid, startTime, ENDING_MS);
  } finally {
    await endShim();
  }
}

/**
 * Waits for the end of a shim that is no child of this process: nobody but /proc tells when it has gone, and the container's process has its new parent.
 *
 * @throws NacelleError `ERR_STATE` when that takes too long
 */
export async function untilGone(pid: number, startTime: string, withinMs: number): Promise<void> {
  const deadline = monotonicMs() + withinMs;
  while (isLiving(pid, startTime)) {
    if (monotonicMs() > deadline) throw refusal(`the container's shim, process ${pid}, does not end: somebody stops it, or it hangs`);
    await delay(1);
  }
}
