import { performance } from 'node:perf_hooks';
import { DBusError } from '../dbus/dbus-error.js';
import { oneOf, UnsupportedError } from '../errors.js';
import { SystemdManager, type UnitProperty } from './systemd-manager.js';
import { type Environment, userSockets } from './user-systemd.js';

/** How long systemd may take for all that is asked by one connection, in ms: on a machine that boots it has other units to start. */
const TIMEOUT = 30_000;

/** systemd's own socket, which serves where no bus runs, then the bus of the machine. Both are root's. */
const MACHINE_SOCKETS = [
  { socket: '/run/systemd/private', isBus: false },
  { socket: '/run/dbus/system_bus_socket', isBus: true },
];

/** That of the machine, which serves root alone, or that of the user. */
export type SystemdOwner = 'machine' | 'user';

/** A systemd as whoever asks it finds it. */
export interface Systemd {
  readonly owner: SystemdOwner;
  /** Says where that of the user is. */
  readonly env: Environment;
}

/** A scope that systemd makes (systemd.scope(5)). */
export interface ScopeUnit {
  /** With '.scope' at its end. */
  readonly unit: string;
  readonly properties: readonly UnitProperty[];
}

/**
 * Does some work with a systemd.
 *
 * @throws UnsupportedError: there is none; DBusError: it refuses
 */
export async function withSystemd<T>({ owner, env }: Systemd, work: (systemd: SystemdManager) => Promise<T>): Promise<T> {
  const { sockets, failures } = owner === 'user' ? userSockets(env) : { sockets: MACHINE_SOCKETS, failures: [] };
  const reached = await SystemdManager.connect(sockets, performance.now() + TIMEOUT);
  if (reached.manager === null) throw noSystemd(owner, [...failures, ...reached.failures]);
  try {
    return await work(reached.manager);
  } finally {
    reached.manager.close();
  }
}

/** The group below which a systemd has those of its units, from the top of the hierarchy. @throws as {@link withSystemd} */
export function groupOfUnits(of: Systemd): Promise<string> {
  return withSystemd(of, (systemd) => systemd.controlGroup());
}

/** Has systemd make a scope; when this resolves its processes are in its group. @throws as {@link withSystemd} */
export function startScopeUnit(of: Systemd, { unit, properties }: ScopeUnit): Promise<void> {
  return withSystemd(of, (systemd) => systemd.startUnit(unit, properties));
}

/** Ends a scope and has systemd forget it, also one that failed. One that is not there is success. @throws as {@link withSystemd} */
export async function stopUnit(of: Systemd, unit: string): Promise<void> {
  await withSystemd(of, async (systemd) => {
    await unlessGone(() => systemd.job('StopUnit', 'ss', [unit, 'replace']));
    await unlessGone(() => systemd.call('ResetFailedUnit', 's', [unit]));
  });
}

/** Changes properties of a unit until the machine is booted again. When this resolves they hold. @throws DBusError: systemd refuses */
export async function setUnitProperties(systemd: SystemdManager, unit: string, properties: readonly UnitProperty[]): Promise<void> {
  await systemd.call('SetUnitProperties', 'sba(sv)', [unit, true, properties]);
  // systemd answers before its groups have them, which is so before the next question is read
  await systemd.call('GetUnit', 's', [unit]);
}

async function unlessGone(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof DBusError) || error.errorName !== 'org.freedesktop.systemd1.NoSuchUnit') throw error;
  }
}

function noSystemd(owner: SystemdOwner, failures: readonly Error[]): UnsupportedError {
  const feature = 'a scope of systemd';
  const cause = oneOf(failures);
  if (cause === undefined)
    return new UnsupportedError(
      feature,
      owner === 'user' ? 'this user has no systemd' : 'this machine has no systemd: there is no socket /run/systemd/private',
      'Have the engine use its cgroup driver cgroupfs.',
    );
  return new UnsupportedError(feature, cause.message, null, { cause });
}
