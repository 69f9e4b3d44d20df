import { hasCode, invalidOption, NacelleError, UnsupportedError } from '../../errors.js';
import { readIfThere } from '../../native/read-if-there.js';
import { SOCK } from '../../plan/constants.js';
import type { Slot, Step } from '../../plan/steps.js';
import { holderOf } from './port-holder.js';
import { isLoopback, isWildcard, type WantedPort } from './port-mapping.js';

/** ip-sysctl.rst; for ports of IPv6 too. */
const UNPRIVILEGED = 'net/ipv4/ip_unprivileged_port_start';

/** 'port 8080/tcp of 127.0.0.1', as errors call it. */
function describePort({ address, protocol }: Pick<WantedPort, 'address' | 'protocol'>, host: number | string): string {
  return `port ${host}/${protocol} of ${isWildcard(address) ? `all addresses (${address.text})` : address.text}`;
}

/**
 * Takes a port of this machine for a container: no other process gets it while the socket is open. Of a range the first that is free; of all,
 * one that the kernel chooses: of `net.ipv4.ip_local_port_range` without `net.ipv4.ip_local_reserved_ports` (ip(7)).
 *
 * @param of.option where the port is among the caller's options
 * @param of.isCarried no rules are to lead packets elsewhere: what is sent to the port waits until it is carried
 * @param make has a shim do the step
 * @returns the port's number, and what `make` gave
 * @throws NacelleError `ERR_PORT_IN_USE`, which names who has the port; `ERR_INVALID_OPTION` for an address that is none of this machine's;
 * UnsupportedError for a port that this user may not have; SyscallError
 */
export async function holdPort<T extends { readonly outputs: readonly Uint8Array[] }>(
  wanted: WantedPort,
  { option, out, isCarried }: { readonly option: string; readonly out: Slot; readonly isCarried: boolean },
  make: (step: Step) => Promise<T>,
): Promise<{ readonly host: number; readonly made: T }> {
  const { first, last } = wanted.host ?? { first: 0, last: 0 };
  for (let host = first; ; host++) {
    const what = `publish ${describePort(wanted, host === 0 ? 'any' : host)}`;
    const type = wanted.protocol === 'tcp' ? SOCK.stream : SOCK.dgram;
    try {
      const held = { host: true, out, what, type, address: wanted.address.bytes, port: host } as const;
      const loopback = isLoopback(wanted.address) ? 1 : 0;
      const made = await make(isCarried ? { op: 'hold_open_port', ...held, loopback } : { op: 'hold_port', ...held });
      return { host: portFrom(made.outputs), made };
    } catch (error) {
      if (hasCode(error, 'EADDRNOTAVAIL'))
        throw invalidOption(option, `is at ${wanted.address.text}, which this machine does not have`, error);
      if (hasCode(error, 'EACCES')) throw notOurs(what, error);
      if (!hasCode(error, 'EADDRINUSE')) throw error;
      if (host === last) throw inUse(wanted, error);
    }
  }
}

function notOurs(what: string, cause: unknown): UnsupportedError {
  const first = readIfThere(`/proc/sys/${UNPRIVILEGED}`)?.trim() ?? '1024';
  const fix = `Use a greater one, or have root lower the setting: sysctl ${UNPRIVILEGED.replaceAll('/', '.')}=PORT`;
  return new UnsupportedError(what, `the first port that this user may have is ${first}`, fix, { cause });
}

function portFrom([port]: readonly Uint8Array[]): number {
  if (port?.length !== 2) throw new NacelleError('the shim has not told the number of a port', { code: 'ERR_PROTOCOL' });
  return Buffer.from(port).readUInt16BE();
}

function inUse(wanted: WantedPort, cause: unknown): NacelleError {
  const { host } = wanted;
  if (host === null) return new NacelleError(`publish ${describePort(wanted, 'any')}: all are in use`, { code: 'ERR_PORT_IN_USE', cause });
  const of = { port: host.first, address: wanted.address, protocol: wanted.protocol };
  const message =
    host.first === host.last
      ? `publish ${describePort(wanted, host.first)}: it is in use by ${holderOf(of)}`
      : `publish ${describePort(wanted, `${host.first}-${host.last}`)}: all are in use, the first by ${holderOf(of)}`;
  return new NacelleError(message, { code: 'ERR_PORT_IN_USE', cause });
}
