import { existsSync, linkSync, unlinkSync, writeFileSync } from 'node:fs';
import { hasCode, invalidOption, NacelleError } from '../../errors.js';
import { delay, monotonicMs } from '../../native/clock.js';
import { readIfThere } from '../../native/read-if-there.js';
import { attempt } from '../../native/system-errors.js';
import type { Slots } from '../../plan/plan.js';
import { unlessAborted } from '../../process/abort.js';
import { type Address, type Cidr, hostOf } from '../address.js';
import { numbersAfter } from '../ipam/address-numbers.js';
import { addressAt, inSubnet, numberIn } from '../ipam/subnet.js';
import { lastAddressIn } from '../network-files.js';
import { noteOf } from '../noted.js';
import { ownAddresses } from '../own-addresses.js';
import { isNetworksLink } from '../own-link.js';
import { hostEndName } from './host-end.js';
import {
  isAddressTaken,
  isPortShared,
  keeperOfUnfinished,
  leaveSteps,
  networkFolder,
  offerPath,
  offersOf,
  unfinishedOffer,
  useOf,
  useRecord,
  withNetwork,
} from './network-folder.js';
import { isChildRecord, type NetworkRecord, numbersElsewhere, numbersOf, subnetsOf } from './network-settings.js';
import type { TaskSteps } from './parts.js';

/** Of 2^128. */
const MOST_DIGITS = 39;

/** For whom an address is taken. */
export interface LeaseFor {
  /** The container's. */
  readonly id: string;
  /** The shim that makes and removes it. */
  readonly owner: string;
  /** The use by which this process keeps the bridge. */
  readonly keeper: string;
  /** The address that is asked for; `null`: the next one that is free. */
  readonly ip: Address | null;
  /** The option that asks: 'ip', 'network[0].ip'. */
  readonly option: string;
  /** Tells the container's attachments apart. */
  readonly place: number;
}

/** A container's addresses in one network, one of each subnet. */
export interface AddressLease {
  readonly addresses: readonly Cidr[];
  /** Host steps by which the container's task takes the addresses, and gives them back. */
  steps(slots: Slots): TaskSteps;
  /** Gives back what no task has taken. `isHandedOver`: a task has, or had, these steps. Once or more often. */
  release(isHandedOver: boolean): void;
}

/**
 * Chooses a number for a container, by an offer, a file that only one can make. The container's shim makes a lease of it: so nothing is left
 * when this process dies in between but an offer, which is void without the process that keeps the bridge. A container's network namespace may
 * outlive the container, when others have joined it: so a number is free only when there is neither its file nor the link that the address is
 * behind, which goes with the namespace.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for an address that is none for a container; `EADDRINUSE`; `ERR_NO_ADDRESS`: all are taken
 */
export function leaseAddress(name: string, record: NetworkRecord, of: LeaseFor): AddressLease {
  const subnets = subnetsOf(record);
  const elsewhere = numbersElsewhere(record, isChildRecord(record) ? ownAddresses() : []);
  for (const number of of.ip === null ? nextNumbers(name, record) : [askedFor(name, record, of.ip, of.option)]) {
    const taken = elsewhere.has(number) ? null : take(name, subnets, number, of);
    if (taken === null) continue;
    if (of.ip === null) rememberLast(name, number);
    return taken;
  }
  if (of.ip !== null) {
    throw new NacelleError(`take the address ${of.ip.text} in the network ${name}: another container has it`, { code: 'EADDRINUSE' });
  }
  throw new NacelleError(`take an address in the network ${name}: all are taken`, { code: 'ERR_NO_ADDRESS' });
}

/** How long a link may take to go whose container has ended, and how often that is looked at, in ms. */
const GOING = { patience: 2000, every: 10 };

/**
 * The same, and once more where nothing is left but what a killed process had offered, or what containers had that have ended, and whose links the
 * kernel is about to remove.
 *
 * @param of.signal its abort ends the waiting for others
 * @throws as {@link leaseAddress}; the signal's reason
 */
export async function leaseFreeAddress(
  name: string,
  record: NetworkRecord,
  of: LeaseFor & { readonly signal: AbortSignal | null },
): Promise<AddressLease> {
  try {
    return leaseAddress(name, record, of);
  } catch (error) {
    if (!hasCode(error, 'EADDRINUSE', 'ERR_NO_ADDRESS')) throw error;
    const clear = (): Promise<boolean> => withNetwork(name, async () => removeVoidOffers(name));
    if (await unlessAborted(of.signal, clear, () => undefined)) return leaseAddress(name, record, of);
    return await leaseWhenGone(name, record, of, error);
  }
}

/** @throws the error, when no address becomes free in time; as {@link leaseFreeAddress} */
async function leaseWhenGone(
  name: string,
  record: NetworkRecord,
  of: LeaseFor & { readonly signal: AbortSignal | null },
  error: unknown,
): Promise<AddressLease> {
  const until = monotonicMs() + GOING.patience;
  for (;;) {
    // before the try: it may go in between
    const isWorthWaiting = isOneGoing(name, record, of);
    try {
      return leaseAddress(name, record, of);
    } catch (again) {
      if (!hasCode(again, 'EADDRINUSE', 'ERR_NO_ADDRESS')) throw again;
    }
    if (!isWorthWaiting || monotonicMs() > until) throw error;
    await unlessAborted(
      of.signal,
      () => delay(GOING.every),
      () => undefined,
    );
  }
}

/** Whether nothing but a link has one of the addresses, and no container shares that. */
function isOneGoing(name: string, record: NetworkRecord, { ip, option }: LeaseFor): boolean {
  const [first] = subnetsOf(record);
  if (!first) return false;
  for (const number of ip === null ? nextNumbers(name, record) : [askedFor(name, record, ip, option)]) {
    const address = addressAt(first, number);
    const link = hostEndName(address);
    if (isNetworksLink(link) && !isAddressTaken(name, address.text) && !isPortShared(name, link)) return true;
  }
  return false;
}

function take(name: string, subnets: readonly Cidr[], number: bigint, { id, owner, keeper, place }: LeaseFor): AddressLease | null {
  const addresses = subnets.map((subnet) => inSubnet(subnet, number));
  const [first] = addresses;
  if (!first) throw new NacelleError(`the network ${name} has no subnet`, { code: 'ERR_RECORD' });
  const address = hostOf(first.text);
  const link = hostEndName(first);
  const text = JSON.stringify({ id, addresses: addresses.map((one) => one.text), keeper });
  const use = useOf(name, address, text);
  // in a large crowd the kernel is behind with links, of whose addresses many come first: an offer of each would take longer
  if (existsSync(use.path) || isNetworksLink(link)) return null;
  const offer = offerPath(name, address);
  if (!makeOffer(offer, text, unfinishedOffer(name, keeper))) return null;
  const letGo = (): void => removeOffer(offer, text);
  try {
    // another process's offer may have become a lease since we looked; one that has gone may have left its link
    if (existsSync(use.path) || isNetworksLink(link)) {
      letGo();
      return null;
    }
    const noted = noteOf({ owner, keepsBridge: true }, `${id}-network-${place}`, [useRecord(use)]);
    return {
      addresses,
      steps: (slots) => ({
        prepare: [...noted.write, { op: 'rename', host: true, path: offer, target: use.path }],
        undo: [...leaveSteps(use, slots), ...noted.forget],
      }),
      release(isHandedOver) {
        try {
          letGo();
        } finally {
          if (!isHandedOver) noted.drop();
        }
      },
    };
  } catch (error) {
    letGo();
    throw error;
  }
}

/**
 * The offer is there whole or not at all, whenever this process dies.
 *
 * @param unfinished a file of this process's alone
 * @returns false where there is an offer already
 */
function makeOffer(path: string, text: string, unfinished: string): boolean {
  return attempt(`write ${path}`, () => {
    try {
      writeFileSync(unfinished, text, { mode: 0o600 });
      linkSync(unfinished, path);
      return true;
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return false;
      throw error;
    } finally {
      unlinkIfThere(unfinished);
    }
  });
}

/** Removes an offer that has become no lease; after a lease has come and gone, the file may be another's. */
function removeOffer(path: string, text: string): void {
  // most offers have become leases: an error of a missing file takes longer than a look
  if (existsSync(path) && readIfThere(path) === text) attempt(`remove ${path}`, () => unlinkIfThere(path));
}

/** As `rmSync` with `force`, which looks twice before. */
function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

/**
 * Removes offers of processes that keep the bridge no more, finished or not, and what is no offer. The caller has the lock of the network:
 * nobody else removes one of another's.
 *
 * @returns whether there were any
 */
export function removeVoidOffers(name: string): boolean {
  let isFound = false;
  for (const path of offersOf(name)) {
    const text = readIfThere(path);
    // it has become a lease, or was taken back
    if (text === null) continue;
    const keeper = keeperOfUnfinished(path) ?? /"keeper":"([0-9a-f]+)"\}$/.exec(text)?.[1];
    if (keeper !== undefined && existsSync(useOf(name, keeper).path)) continue;
    attempt(`remove ${path}`, () => unlinkIfThere(path));
    isFound = true;
  }
  return isFound;
}

function askedFor(name: string, record: NetworkRecord, ip: Address, option: string): bigint {
  const subnets = subnetsOf(record);
  const number = subnets.map((subnet) => numberIn(subnet, ip)).find((found) => found !== null);
  const { first, last, gateway } = numbersOf(record, { all: true });
  const refused = (problem: string): NacelleError => invalidOption(option, `is ${ip.text}, ${problem}`);
  if (number === undefined) throw refused(`which lies in no subnet of the network ${name}`);
  if (number < first || number > last) {
    const both = `: a container has the same number in ${subnets.map(({ text }) => text).join(' and ')}, ${first} to ${last}`;
    throw refused(`which no link in the network ${name} can have${subnets.length > 1 ? both : ''}`);
  }
  if (number === gateway) throw refused(`the gateway of the network ${name}`);
  return number;
}

function nextNumbers(name: string, record: NetworkRecord): Iterable<bigint> {
  return numbersAfter(lastNumberOf(name), numbersOf(record));
}

function lastFile(name: string): string {
  return lastAddressIn(networkFolder(name));
}

/** Of a fixed size, over what was there: a file system may write out at once what a file has after it was cut, which takes milliseconds. */
function rememberLast(name: string, number: bigint): void {
  const path = lastFile(name);
  const text = String(number).padEnd(MOST_DIGITS);
  attempt(`write ${path}`, () => {
    try {
      writeFileSync(path, text, { flag: 'r+' });
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      writeFileSync(path, text, { mode: 0o600 });
    }
  });
}

/** A hint, so one that is damaged is none. */
function lastNumberOf(name: string): bigint | null {
  const text = (readIfThere(lastFile(name)) ?? '').trimEnd();
  return /^\d+$/.test(text) ? BigInt(text) : null;
}
