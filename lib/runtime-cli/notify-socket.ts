import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { NacelleError, toError } from '../errors.js';
import { clearTimeout, setTimeout } from '../native/clock.js';
import { loadNative } from '../native/load-addon.js';
import { attempt } from '../native/system-errors.js';
import type { BundleMount } from '../oci-config/config-schema.js';
import type { Caller } from './caller/caller.js';
import { usageError } from './config/runtime-error.js';
import type { ContainerRecord, StateFolder } from './state/container-state.js';
import { NOTIFY } from './state/state-files.js';

// A service manager that starts a container may wait for its READY=1 (sd_notify(3)). As runc does, the runtime has a socket of its own in the container, and
// tells the manager of that message alone.

/** The bytes of a socket's address (unix(7)). */
const MOST_ADDRESS = 108;

/**
 * The socket of whoever waits for the service, from the environment; `null`: nobody does.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for what is no address of a unix socket
 */
export function notifyAddress({ NOTIFY_SOCKET: address }: Readonly<Record<string, string | undefined>>): string | null {
  if (!address) return null;
  if (!/^[/@]./.test(address) || Buffer.byteLength(address) >= MOST_ADDRESS)
    throw usageError(`NOTIFY_SOCKET has ${JSON.stringify(address)}, which is neither the path of a unix socket nor a name after '@'`);
  return address;
}

/** Where the container's socket is on the host. */
const socketIn = ({ path }: StateFolder): string => join(path, NOTIFY, 'notify.sock');

/** Where the container finds it: runc's place. */
const INSIDE = '/run/notify';

export const NOTIFY_VARIABLE = `NOTIFY_SOCKET=${INSIDE}/notify.sock`;

/** The mount of the socket's folder, after those of config.json. */
export function notifyMount(folder: StateFolder): BundleMount & { readonly source: string } {
  const options = ['bind', 'nosuid', 'noexec', 'nodev', 'ro'];
  return { destination: INSIDE, type: 'bind', source: dirname(socketIn(folder)), options, uidMappings: [], gidMappings: [] };
}

/** Makes the folder of the socket, which is bound in the container. @throws SyscallError */
export function makeNotifyFolder(folder: StateFolder): void {
  const path = dirname(socketIn(folder));
  attempt(`make ${path}`, () => mkdirSync(path, { mode: 0o755 }));
}

/** Who waits for a container to be ready, beside the runtime. */
export interface Notifier {
  /** Resolves when READY=1 was told, or the container has ended, to what went wrong. Where the runtime is the main process, at the container's end. */
  readonly told: Promise<NacelleError | null>;
  /** Ends it, whatever it waits for; once it has ended nothing happens. */
  end(): Promise<void>;
}

/** A runtime that stays has ended when its container has: whoever listens is waited for no longer than this. */
const GRACE_MS = 1000;

/** What went wrong, of a container that has ended; `null`: nothing. It never waits for long, whatever the container has sent and whoever listens does. */
export async function lastWord({ told }: Pick<Notifier, 'told'>): Promise<NacelleError | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<NacelleError>((resolve) => {
    timer = setTimeout(
      () => resolve(failed('whoever tells NOTIFY_SOCKET of the container had not come to an end a second after it')),
      GRACE_MS,
    );
  });
  try {
    return await Promise.race([told, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Binds the socket of a container that is not started yet. `null` where nobody waits, or nobody did when the container was made.
 *
 * @param isAttached the runtime is the service's main process; else that is the container's
 * @throws NacelleError where the manager's socket is not there
 */
export async function beginNotifying(
  folder: StateFolder,
  { pid, notifies }: Pick<ContainerRecord, 'pid' | 'notifies'>,
  { caller, isAttached }: { readonly caller: Pick<Caller, 'env' | 'pid'>; readonly isAttached: boolean },
): Promise<Notifier | null> {
  const address = notifies ? notifyAddress(caller.env) : null;
  if (address === null) return null;
  const child = spawn(loadNative().shim, [socketIn(folder), address, String(pid), String(isAttached ? caller.pid : pid)], {
    // signals of a terminal are for the runtime alone, which passes them on
    ...{ argv0: 'nacelle-notify', stdio: ['pipe', 'pipe', 'pipe'], env: {}, detached: true },
  });
  let said = '';
  child.stderr.on('data', (part: Buffer) => {
    said += part.toString();
  });
  const told = once(child, 'close').then(
    ([code]: unknown[]) => (code === 0 ? null : failed(said)),
    (error: unknown) => failed(toError(error).message),
  );
  // a byte, when it listens
  const failure = await Promise.race([once(child.stdout, 'data').then(() => null), told]);
  if (failure !== null) throw failure;
  const end = async (): Promise<void> => {
    // the end of its input would not be seen by one that waits for something else
    child.kill('SIGKILL');
    await told;
  };
  return { told, end };
}

function failed(said: string): NacelleError {
  return new NacelleError(said.trim() || 'whoever tells NOTIFY_SOCKET of the container was killed', { code: 'ERR_STATE' });
}
