import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, NacelleError } from '../../errors.js';
import { writeRecord } from '../../host/journal.js';
import { dropRecord } from '../../host/recorded.js';
import { attempt, systemError } from '../../native/system-errors.js';
import type { Slots } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import type { Address, Cidr } from '../address.js';
import { numbersAfter } from '../ipam/address-numbers.js';
import { addressAt, inSubnet, numberIn } from '../ipam/subnet.js';
import { hostEndName } from './host-end.js';
import { leaveSteps, networkFolder, type Use, useOf, useRecord } from './network-folder.js';
import { type NetworkRecord, numbersOf, subnetsOf } from './network-settings.js';

/** For whom an address is taken. */
export interface LeaseFor {
  /** The container's. */
  readonly id: string;
  /** The shim that removes it. */
  readonly owner: string;
  /** The address that is asked for; `null`: the next one that is free. */
  readonly ip: Address | null;
  /** Tells the container's attachments apart. */
  readonly place: number;
}

/** A container's addresses in one network, one of each subnet. */
export interface AddressLease {
  readonly addresses: readonly Cidr[];
  /** Host steps that give the addresses back. */
  undo(slots: Slots): Step[];
  /** Gives the addresses back where no task has these steps. */
  release(): void;
}

/**
 * Takes a number for a container, by a file that only one can make. Its network namespace may outlive the container, when others have joined
 * it: so a number is free only when there is neither its file nor the link that the address is behind, which goes with the namespace.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for an address that is none for a container; `EADDRINUSE`; `ERR_NO_ADDRESS`: all are taken
 */
export function leaseAddress(name: string, record: NetworkRecord, of: LeaseFor): AddressLease {
  const subnets = subnetsOf(record);
  for (const number of of.ip === null ? nextNumbers(name, record) : [askedFor(name, record, of.ip)]) {
    const lease = take(name, subnets, number, of);
    if (lease === null) continue;
    if (of.ip === null) attempt('write the last address', () => writeFileSync(lastFile(name), String(number), { mode: 0o600 }));
    return lease;
  }
  if (of.ip !== null) {
    throw new NacelleError(`take the address ${of.ip.text} in the network ${name}: another container has it`, { code: 'EADDRINUSE' });
  }
  throw new NacelleError(`take an address in the network ${name}: all are taken`, { code: 'ERR_NO_ADDRESS' });
}

function take(name: string, subnets: readonly Cidr[], number: bigint, { id, owner, place }: LeaseFor): AddressLease | null {
  const addresses = subnets.map((subnet) => inSubnet(subnet, number));
  const [first] = subnets;
  if (!first) throw new NacelleError(`the network ${name} has no subnet`, { code: 'ERR_RECORD' });
  const address = addressAt(first, number);
  const use = useOf(name, address.text);
  // the kernel shows this process the links of its own network namespace there, whatever is mounted on /sys
  if (existsSync(use.path) || existsSync(`/proc/sys/net/ipv4/conf/${hostEndName(address)}`)) return null;
  const forget = writeRecord(owner, `${id}-network-${place}`, [useRecord(use)]);
  try {
    writeFileSync(use.path, JSON.stringify({ id, addresses: addresses.map(({ text }) => text) }), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    dropRecord(forget);
    if (hasCode(error, 'EEXIST')) return null;
    throw systemError(`write ${use.path}`, error);
  }
  return leaseOf(addresses, use, forget);
}

function leaseOf(addresses: readonly Cidr[], use: Use, forget: readonly Step[]): AddressLease {
  return {
    addresses,
    undo: (slots) => [...leaveSteps(use, slots), ...forget],
    release() {
      rmSync(use.path, { force: true });
      dropRecord(forget);
    },
  };
}

function askedFor(name: string, record: NetworkRecord, ip: Address): bigint {
  const number = subnetsOf(record)
    .map((subnet) => numberIn(subnet, ip))
    .find((found) => found !== null);
  const { first, last, gateway } = numbersOf(record, { all: true });
  const refused = (problem: string): NacelleError =>
    new NacelleError(`option ip: is ${ip.text}, ${problem}`, { code: 'ERR_INVALID_OPTION' });
  if (number === undefined) throw refused(`which lies in no subnet of the network ${name}`);
  if (number < first || number > last) throw refused(`which no link in the network ${name} can have`);
  if (number === gateway) throw refused(`the gateway of the network ${name}`);
  return number;
}

function nextNumbers(name: string, record: NetworkRecord): Iterable<bigint> {
  return numbersAfter(lastNumberOf(name), numbersOf(record));
}

function lastFile(name: string): string {
  return join(networkFolder(name), 'last');
}

/** A hint, so one that is damaged is none. */
function lastNumberOf(name: string): bigint | null {
  try {
    const text = readFileSync(lastFile(name), 'utf8');
    return /^\d{1,39}$/.test(text) ? BigInt(text) : null;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw systemError(`read ${lastFile(name)}`, error);
  }
}
