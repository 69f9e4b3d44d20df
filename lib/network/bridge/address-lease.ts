import { existsSync } from 'node:fs';
import { hasCode, invalidOption, NacelleError } from '../../errors.js';
import { delay, monotonicMs } from '../../native/clock.js';
import { NONE, type Slots } from '../../plan/plan.js';
import { unlessAborted } from '../../process/abort.js';
import { allUndone } from '../../process/undone-later.js';
import { endSpareUses } from '../../store/spare-uses.js';
import { type Address, type Cidr, hostOf } from '../address.js';
import { numbersAfter } from '../ipam/address-numbers.js';
import { addressAt, inSubnet, numberIn } from '../ipam/subnet.js';
import { noteOf } from '../noted.js';
import { ownAddresses } from '../own-addresses.js';
import { isNetworksLink } from '../own-link.js';
import { hostEndName } from './host-end.js';
import type { LastNumber } from './last-number.js';
import { isPortShared, leaveSteps, useOf, useRecord, useStep, withNetwork } from './network-folder.js';
import { isChildRecord, type NetworkRecord, numbersElsewhere, numbersOf, subnetsOf } from './network-settings.js';
import { isAddressTaken, type Offers, removeVoidOffers } from './offers.js';
import type { TaskSteps } from './parts.js';

/** For whom an address is taken. */
export interface LeaseFor {
  /** The container's. */
  readonly id: string;
  /** The shim that makes and removes it. */
  readonly owner: string;
  /** What this process offers in the network. */
  readonly offers: Offers;
  /** What the network has given last. */
  readonly last: LastNumber;
  /** The address that is asked for; `null`: the next one that is free. */
  readonly ip: Address | null;
  /** The option that asks: 'ip', 'network[0].ip'. */
  readonly option: string;
  /** Tells the container's attachments apart. */
  readonly place: number;
  /** It is for a run that nobody has asked for yet: it waits for no address, and others like it keep theirs. Default: no. */
  readonly isAhead?: boolean;
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
  let isFirst = true;
  for (const number of numbersFor(name, record, of)) {
    const taken = elsewhere.has(number) ? null : take({ name, subnets, number, isFirst }, of);
    isFirst = false;
    if (taken === null) continue;
    if (of.ip === null) of.last.remember(number);
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
 * The same, and once more where nothing is left but what was taken for runs that nobody has asked for yet, what runs had whose results are there, what a
 * killed process had offered, or what containers had that have ended, and whose links the kernel is about to remove.
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
    if (!hasCode(error, 'EADDRINUSE', 'ERR_NO_ADDRESS') || of.isAhead) throw error;
    const clear = async (): Promise<boolean> => {
      await Promise.all([endSpareUses('addresses'), allUndone()]);
      return withNetwork(name, async () => removeVoidOffers(name));
    };
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
function isOneGoing(name: string, record: NetworkRecord, of: LeaseFor): boolean {
  const [first] = subnetsOf(record);
  if (!first) return false;
  for (const number of numbersFor(name, record, of)) {
    const address = addressAt(first, number);
    const link = hostEndName(address);
    if (isNetworksLink(link) && !isAddressTaken(name, address.text) && !isPortShared(name, link)) return true;
  }
  return false;
}

interface Choice {
  readonly name: string;
  readonly subnets: readonly Cidr[];
  readonly number: bigint;
  /** Whether no number was tried before. */
  readonly isFirst: boolean;
}

function take({ name, subnets, number, isFirst }: Choice, { id, owner, offers, place }: LeaseFor): AddressLease | null {
  const addresses = subnets.map((subnet) => inSubnet(subnet, number));
  const [first] = addresses;
  if (!first) throw new NacelleError(`the network ${name} has no subnet`, { code: 'ERR_RECORD' });
  const address = hostOf(first.text);
  const link = hostEndName(first);
  const text = JSON.stringify({ id, addresses: addresses.map((one) => one.text) });
  const use = useOf(name, address, text);
  const isTaken = (): boolean => existsSync(use.path) || isNetworksLink(link);
  // the first one is mostly free. In a large crowd the kernel is behind with links, of whose addresses many come first: an offer of each would take longer
  if (!isFirst && isTaken()) return null;
  const offer = offers.make(address);
  if (offer === null) return null;
  try {
    // another process's offer may have become a lease since we looked; one that has gone may have left its link
    if (isTaken()) {
      offer.remove();
      return null;
    }
    const noted = noteOf({ owner, keepsBridge: true }, `${id}-network-${place}`, [useRecord(use)]);
    return {
      addresses,
      steps: (slots) => ({
        // the lease is there before the offer goes, so that nobody else finds neither
        prepare: [...noted.write, useStep(use), { op: 'unlink', host: true, at: NONE, path: offer.path }],
        undo: [...leaveSteps(use, slots), ...noted.forget],
      }),
      release(isHandedOver) {
        try {
          offer.remove();
        } finally {
          if (!isHandedOver) noted.drop();
        }
      },
    };
  } catch (error) {
    offer.remove();
    throw error;
  }
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

function numbersFor(name: string, record: NetworkRecord, { ip, option, last }: LeaseFor): Iterable<bigint> {
  return ip === null ? numbersAfter(last.read(), numbersOf(record)) : [askedFor(name, record, ip, option)];
}
