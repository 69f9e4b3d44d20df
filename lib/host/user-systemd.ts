import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { env, geteuid } from 'node:process';
import { unixSocketsIn } from '../dbus/bus-address.js';
import { DBusError } from '../dbus/dbus-error.js';
import { isNacelleError, toError, UnsupportedError } from '../errors.js';
import { type ManagerSocket, SystemdManager, type UnitProperty } from './systemd-manager.js';

/** How long systemd may take to make a scope, in ms. */
const TIMEOUT = 5000;
/** The same once systemd has left a call of this process unanswered, in ms: each detached start would wait again. */
const TIMEOUT_OF_SILENT = 500;

/** Whether systemd has left the last call of this process unanswered. */
let isSilent = false;

/** A unit that systemd makes of processes that others have started (systemd.scope(5)). It goes with the last of them. */
export interface ScopeRequest {
  /** With '.scope' at its end. */
  readonly unit: string;
  readonly description: string;
  /** In the pid namespace of this process and of systemd. */
  readonly pids: readonly number[];
}

/**
 * Has the systemd of this user put processes into a new scope, with control groups that it hands over to them: below the scope this user makes
 * and limits groups, and a stop of the unit in which the processes were ends them no more. When this resolves they are there.
 *
 * @throws UnsupportedError: there is no such systemd, or it refuses
 */
export async function startScope(request: ScopeRequest): Promise<void> {
  const end = performance.now() + (isSilent ? TIMEOUT_OF_SILENT : TIMEOUT);
  try {
    await startUntil(request, end);
    isSilent = false;
  } catch (error) {
    // the clock of a timer may be a little ahead of this one
    isSilent ||= performance.now() >= end - TIMEOUT_OF_SILENT / 2;
    throw error;
  }
}

/** @param end by the clock of `performance` */
async function startUntil(request: ScopeRequest, end: number): Promise<void> {
  const systemd = await connect(end);
  try {
    await systemd.startUnit(request.unit, propertiesOf(request));
  } catch (error) {
    throw isNacelleError(error) ? noScope([error]) : error;
  } finally {
    systemd.close();
  }
}

/** org.freedesktop.systemd1(5), "Properties" of a scope, each as (sv). Pure. */
function propertiesOf({ description, pids }: ScopeRequest): UnitProperty[] {
  return [
    ['Description', { signature: 's', value: description }],
    // where systemd-run --user puts what it starts
    ['Slice', { signature: 's', value: 'app.slice' }],
    ['PIDs', { signature: 'au', value: pids }],
    ['Delegate', { signature: 'b', value: true }],
    // one that has failed is forgotten too
    ['CollectMode', { signature: 's', value: 'inactive-or-failed' }],
    // a logout and a shutdown wait so long until they kill, as docker stop does
    ['TimeoutStopUSec', { signature: 't', value: 10_000_000n }],
  ];
}

/** @param until by the clock of `performance`, for all sockets together @throws UnsupportedError: none answers */
async function connect(until: number): Promise<SystemdManager> {
  const { sockets, failures } = userSockets();
  const reached = await SystemdManager.connect(sockets, until);
  if (reached.manager !== null) return reached.manager;
  throw noScope([...failures, ...reached.failures]);
}

/** Where the systemd of a user may be reached. */
export interface UserSockets {
  readonly sockets: readonly ManagerSocket[];
  /** Of an address that is none. */
  readonly failures: Error[];
}

/** The variables that say where a user's systemd is: of this process, or of another one for which it does something. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** systemd's own socket, which serves where no bus is installed, then the buses of the session and of the user. */
export function userSockets(environment: Environment = env): UserSockets {
  const runtime = runtimeFolder(environment);
  const own = { socket: join(runtime, 'systemd/private'), isBus: false };
  const withBuses = (buses: readonly string[]) => [own, ...[...new Set(buses)].map((socket) => ({ socket, isBus: true }))];
  const users = join(runtime, 'bus');
  try {
    return { sockets: withBuses([...unixSocketsIn(environment.DBUS_SESSION_BUS_ADDRESS ?? '', runtime), users]), failures: [] };
  } catch (error) {
    return { sockets: withBuses([users]), failures: [toError(error)] };
  }
}

/** Where the systemd of this user has its sockets. Services and jobs of CI may lack the variable. */
function runtimeFolder(environment: Environment = env): string {
  return environment.XDG_RUNTIME_DIR || `/run/user/${geteuid?.()}`;
}

/** What has a systemd of this user run from the boot on. */
export const LINGER = `Run: loginctl enable-linger ${geteuid?.()}`;

function noScope(failures: readonly Error[]): UnsupportedError {
  const feature = "a scope of the user's systemd";
  const [first, ...others] = failures;
  if (first === undefined) {
    const fix = existsSync('/run/systemd/system') ? LINGER : null;
    return new UnsupportedError(feature, `user ${geteuid?.()} has no systemd: no socket in ${runtimeFolder()}`, fix);
  }
  const cause = others.length === 0 ? first : new AggregateError(failures, failures.map(({ message }) => message).join('; '));
  const isAbsent = first instanceof DBusError && /\.(?:ServiceUnknown|NameHasNoOwner)$/.test(first.errorName ?? '');
  return new UnsupportedError(feature, isAbsent ? 'there is no systemd on the bus of this user' : cause.message, null, { cause });
}
