import { hasCode, invalidOption, UnsupportedError } from '../errors.js';
import { carryOut } from '../native/host-work.js';
import { known, parseCidr } from '../network/address.js';
import { lastingAddresses, parseLink } from '../network/link.js';
import { getAddresses, getLink } from '../network/rtnetlink.js';
import { request } from '../network/veth-plan.js';
import type { BundleLinux } from '../oci-config/config-schema.js';
import { NETLINK_ROUTE } from '../plan/constants.js';
import { NONE, planOf, Slots } from '../plan/plan.js';
import type { Rights } from './caller/rights.js';
import type { NetDevice } from './plan/net-device-steps.js';

/**
 * The links of linux.netDevices as they are now in the runtime's network namespace.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for one that is not there; UnsupportedError, with runc's words, for who may move none; SyscallError
 */
export async function netDevicesOf(linux: BundleLinux | undefined, { isConfined }: Pick<Rights, 'isConfined'>): Promise<NetDevice[]> {
  const wanted = Object.entries(linux?.netDevices ?? {});
  if (wanted.length === 0) return [];
  if (isConfined)
    throw new UnsupportedError(
      'linux.netDevices of config.json',
      'network devices are not supported for rootless containers',
      'Run it as root.',
    );
  return Promise.all(wanted.map(([name, { name: inside }]) => lookUp(name, inside || name)));
}

async function lookUp(name: string, inside: string): Promise<NetDevice> {
  const socket = new Slots().take();
  const prepare = [
    { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_ROUTE } as const,
    request(socket, `look up ${name}`, getLink({ name })),
    request(socket, 'list the addresses', getAddresses()),
  ];
  try {
    const { outputs } = await carryOut(planOf({ prepare }));
    const [link = new Uint8Array(), all = new Uint8Array()] = outputs;
    const { index } = parseLink(link);
    return { index, name, inside, addresses: lastingAddresses(all, index).map((address) => known(parseCidr(address))) };
  } catch (error) {
    if (hasCode(error, 'ENODEV'))
      throw invalidOption(`linux.netDevices.${name}`, "there is no such link in the runtime's network namespace", error);
    throw error;
  }
}
