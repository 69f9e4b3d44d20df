import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordFiles } from '../../../../lib/host/journal.js';
import { type Address, parseAddress } from '../../../../lib/network/address.js';
import { type AddressLease, leaseAddress } from '../../../../lib/network/bridge/address-lease.js';
import { LastNumber } from '../../../../lib/network/bridge/last-number.js';
import {
  keeperFile,
  makeNetworkFolder,
  networkFolder,
  offerPath,
  offersOf,
  removeFilesOf,
  sharedRulesFile,
  useOf,
} from '../../../../lib/network/bridge/network-folder.js';
import { parseNetworkOptions } from '../../../../lib/network/bridge/network-options.js';
import { type NetworkRecord, settleNetwork } from '../../../../lib/network/bridge/network-settings.js';
import { isAddressTaken, Offers, removeVoidOffers } from '../../../../lib/network/bridge/offers.js';
import { useOwnRecords } from '../../../fixtures/own-records.js';

const owner = useOwnRecords();
const keeper = 'a1';
let name = '';
let count = 0;
let last: LastNumber;
let offers: Offers;

/** Without the file that all are links to. */
const own = (): string[] => offersOf(name).filter((path) => path !== keeperFile(name, keeper));

beforeEach(() => {
  name = `shop${count++}`;
  makeNetworkFolder(name);
  writeFileSync(useOf(name, keeper).path, keeper);
  last = new LastNumber(name);
  offers = new Offers(name, keeper);
});

afterEach(() => last.close());

const recordOf = (...subnet: string[]): NetworkRecord =>
  settleNetwork(parseNetworkOptions({ subnet }), { taken: [], random: new Uint8Array(5), createdAt: new Date(0) });
const record = recordOf('10.201.0.0/29');

function address(text: string): Address {
  const read = parseAddress(text);
  if (typeof read === 'string') throw new Error(read);
  return read;
}

function lease(of: NetworkRecord = record, ip: string | null = null, option = 'ip'): AddressLease {
  return leaseAddress(name, of, { id: 'one', owner: owner(), offers, last, ip: ip === null ? null : address(ip), option, place: 0 });
}

describe('an offer of an address', () => {
  it('is whole, alone, and gone when it is given back', () => {
    const { addresses, release } = lease();
    expect(addresses.map(({ text }) => text)).toEqual(['10.201.0.2/29']);
    expect(own()).toEqual([offerPath(name, '10.201.0.2')]);
    expect(JSON.parse(readFileSync(offerPath(name, '10.201.0.2'), 'utf8'))).toEqual({ keeper });
    expect(() => lease(record, '10.201.0.2')).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
    release(false);
    expect(own()).toEqual([]);
    expect(recordFiles(owner())).toEqual([]);
  });

  it('takes the address, as the lease does that it becomes', () => {
    const ip = '10.201.0.2';
    expect(isAddressTaken(name, ip)).toBe(false);
    const { release } = lease();
    expect(isAddressTaken(name, ip)).toBe(true);
    writeFileSync(useOf(name, ip).path, '');
    rmSync(offerPath(name, ip));
    // another process's, of the same address
    writeFileSync(offerPath(name, ip), JSON.stringify({ keeper: 'b2' }));
    release(true);
    expect(existsSync(offerPath(name, ip))).toBe(true);
    rmSync(offerPath(name, ip));
    expect(isAddressTaken(name, ip)).toBe(true);
    rmSync(useOf(name, ip).path);
    expect(isAddressTaken(name, ip)).toBe(false);
  });

  it('is not taken back by whoever had the address before', () => {
    const before = lease();
    // its shim has made the lease of it, and ended that
    rmSync(offerPath(name, '10.201.0.2'));
    last.remember(1n);
    const after = lease();
    before.release(true);
    expect(own()).toEqual([offerPath(name, '10.201.0.2')]);
    after.release(false);
    expect(own()).toEqual([]);
  });

  it('is void when its process keeps the bridge no more, with the file that it is a link to', () => {
    lease();
    writeFileSync(offerPath(name, '10.201.0.3'), JSON.stringify({ id: 'two', addresses: [], keeper: 'b2' }));
    writeFileSync(offerPath(name, '10.201.0.4'), '');
    writeFileSync(keeperFile(name, 'b2'), '');
    removeVoidOffers(name);
    expect(offersOf(name).sort()).toEqual([offerPath(name, '10.201.0.2'), keeperFile(name, keeper)]);
  });

  it('that can not be removed keeps no record, and says which file it is', () => {
    const { release } = lease();
    const path = offerPath(name, '10.201.0.2');
    rmSync(dirname(path), { recursive: true });
    symlinkSync(basename(dirname(path)), dirname(path));
    expect(() => release(false)).toThrow(
      expect.objectContaining({ name: 'SyscallError', code: 'ELOOP', message: expect.stringContaining(path) }),
    );
    rmSync(dirname(path));
    expect(recordFiles(owner())).toEqual([]);
  });
});

describe('the address that was given last', () => {
  it('is the one before the next, for every process that keeps the bridge', () => {
    const other = new LastNumber(name);
    expect(other.read()).toBe(null);
    lease().release(false);
    expect(other.read()).toBe(2n);
    other.remember(4n);
    other.close();
    expect(lease().addresses.map(({ text }) => text)).toEqual(['10.201.0.5/29']);
    // a number with more digits than the one after it
    last.remember(10n ** 38n);
    last.remember(3n);
    expect(last.read()).toBe(3n);
  });

  it('is forgotten once nobody here keeps the bridge', () => {
    last.remember(3n);
    last.close();
    last.close();
    last.remember(4n);
    expect(last.read()).toBe(null);
  });
});

describe('an address that is asked for', () => {
  it.each([
    [['10.201.0.0/29'], '10.201.1.1', 'which lies in no subnet of the network NAME'],
    [['10.201.0.0/29'], '10.201.0.7', 'which no link in the network NAME can have'],
    [['10.201.0.0/29'], '10.201.0.1', 'the gateway of the network NAME'],
    [
      ['10.201.0.0/29', 'fd00:201::/64'],
      'fd00:201::7',
      'which no link in the network NAME can have: a container has the same number in 10.201.0.0/29 and fd00:201::/64, 1 to 6',
    ],
  ])('in %j is refused with the option that asks: %s', (subnets, ip, problem) => {
    const message = `option network[1].ip: is ${ip}, ${problem.replace('NAME', name)}`;
    expect(() => lease(recordOf(...subnets), ip, 'network[1].ip')).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message }),
    );
    expect(own()).toEqual([]);
  });
});

describe('the folder of a network', () => {
  it('is removed with what whoever was killed has left of a file, once nobody uses it', () => {
    for (const file of [sharedRulesFile(name), `${sharedRulesFile(name)}.new`]) writeFileSync(file, '{');
    lease();
    removeFilesOf(networkFolder(name));
    expect(existsSync(useOf(name, keeper).path)).toBe(true);
    rmSync(useOf(name, keeper).path);
    removeFilesOf(networkFolder(name));
    expect(existsSync(networkFolder(name))).toBe(false);
  });
});
