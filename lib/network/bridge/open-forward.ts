import { NacelleError } from '../../errors.js';
import { readIfThere } from '../../native/read-if-there.js';
import { type DroppingChain, droppingChains } from '../nftables/forward-policies.js';
import { forwardedFamilies } from './forward-packets.js';
import { BRIDGE_PREFIX, bridgeOf } from './network-folder.js';
import { type NetworkRecord, subnetsOf } from './network-settings.js';

const FIREWALLD = 'firewalld';
const iptablesOf = { 4: 'iptables', 6: 'ip6tables' } as const;

/**
 * What others drop by a chain of theirs is dropped, whatever the rules of a network say: docker, ufw and firewalld do so.
 *
 * @throws NacelleError `ERR_FORWARD_POLICY`, with the lines by which the packets of all networks are let through; SyscallError
 */
export async function requireOpenForward(name: string, record: NetworkRecord): Promise<void> {
  const families = familiesThatMeet(record);
  if (families.length === 0) return;
  const dropping = await droppingChains({ link: bridgeOf(name).name, subnets: subnetsOf(record) }, families);
  if (dropping.length > 0) {
    throw new NacelleError(`use the network ${name}: ${refusalOf(dropping)}`, { code: 'ERR_FORWARD_POLICY' });
  }
}

/** What drops the packets of a network, and the lines against all of it: a packet has to get through each of the chains. Pure. */
export function refusalOf(dropping: readonly DroppingChain[]): string {
  const chains = dropping.map(({ family, table, name }) => `the chain ${name} of the table ${family} ${table}`);
  const lines = dropping.flatMap(openingLines);
  return (
    `what goes through its bridge is dropped by ${chains.join(' and ')}. ` +
    `These lines let the packets of all of nacelle's networks through; the rules of each network then decide. ${zoneWords(dropping)}` +
    `Type: ${lines.join('; ')}`
  );
}

/** A zone is about what is sent to the machine, too. Pure. */
function zoneWords(dropping: readonly DroppingChain[]): string {
  if (!dropping.some(({ table }) => table === FIREWALLD)) return '';
  return "firewalld's zone trusted also opens all ports of this machine itself to the containers: docs/networks.md has narrower ways. ";
}

/** What an administrator types, in the way that the owner of the chain expects. Pure. */
function openingLines({ family, table, name, reached }: DroppingChain): string[] {
  if (table === FIREWALLD) {
    // in zones, what comes by a link decides; answers and what was sent to a published port pass there anyway
    const line = `--zone=trusted --add-interface=${BRIDGE_PREFIX}+`;
    return [`firewall-cmd ${line}`, `firewall-cmd --permanent ${line}`];
  }
  const isOfIptables = table === 'filter' && name === 'FORWARD' && family !== 'inet';
  const chain = reached.includes('DOCKER-USER') ? 'DOCKER-USER' : name;
  return (['-i', '-o'] as const).map((way) => {
    if (isOfIptables) return `${iptablesOf[family === 'ip6' ? 6 : 4]} -I ${chain} ${way} ${BRIDGE_PREFIX}+ -j ACCEPT`;
    return `nft insert rule ${family} ${table} ${name} ${way === '-i' ? 'iifname' : 'oifname'} '"${BRIDGE_PREFIX}*"' accept`;
  });
}

/** The families whose packets come to chains of what is forwarded: with br_netfilter also what goes from port to port. */
function familiesThatMeet(record: NetworkRecord): (4 | 6)[] {
  const routed = forwardedFamilies(record);
  const own = new Set(subnetsOf(record).map(({ family }) => family));
  return ([4, 6] as const).filter((family) => routed.includes(family) || (own.has(family) && isBridgedTo(family)));
}

/** Whether bridged packets come to the chains of iptables; the file is missing where the kernel has no br_netfilter. */
function isBridgedTo(family: 4 | 6): boolean {
  return readIfThere(`/proc/sys/net/bridge/bridge-nf-call-${iptablesOf[family]}`)?.trim() === '1';
}
