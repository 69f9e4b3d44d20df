import { describe, expect, it } from 'vitest';
import { networkSteps } from '../../../../lib/container/plan/network-steps.js';
import { type Address, type Cidr, parseAddress, parseCidr } from '../../../../lib/network/address.js';
import type { Attachment } from '../../../../lib/network/bridge/join-networks.js';
import { Slots } from '../../../../lib/plan/plan.js';
import type { Step } from '../../../../lib/plan/steps.js';

function read<T extends object>(value: T | string): T {
  if (typeof value === 'string') throw new Error(value);
  return value;
}
const cidr = (text: string): Cidr => read(parseCidr(text));
const address = (text: string): Address => read(parseAddress(text));

const attachment: Attachment = {
  network: 'shop',
  interface: 'eth0',
  index: 100,
  mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  mtu: 1500,
  addresses: [cidr('10.1.0.2/24'), cidr('fd00:1::2/64')],
  gateways: [address('10.1.0.1')],
  port: { name: 'nclv0a010002', index: 2 ** 30 + 1 },
  bridge: 2 ** 30,
};

const PROC = 3;
function steps(attachments: readonly Attachment[], { isAgain = false, hasIpv6 = true } = {}): Step[] {
  return networkSteps({ attachments, hasIpv6 }, { slots: new Slots(), proc: PROC, isAgain });
}
/** What each request is for. */
const words = (list: readonly Step[]): string[] => list.flatMap((step) => (step.op === 'netlink' ? [step.what] : []));

describe('the links of a container', () => {
  it('cost nothing where there is none', () => {
    expect(steps([])).toEqual([]);
  });

  it('are made with their addresses before they are up, and with their routes after', () => {
    expect(words(steps([attachment]))).toEqual([
      'make eth0, the link to the network shop',
      'add the address 10.1.0.2/24 to eth0',
      'add the address fd00:1::2/64 to eth0',
      'bring up eth0',
      'add the default route by 10.1.0.1',
    ]);
  });

  it('are not asked for: no request looks anything up', () => {
    const inner: Attachment = { ...attachment, network: 'back', interface: 'inner', index: 101, gateways: [] };
    expect(words(steps([attachment, inner])).filter((what) => what.startsWith('look up'))).toEqual([]);
  });

  it('have no router and no duplicate detection, from before there is a link', () => {
    const all = steps([attachment]);
    const first = all.findIndex(({ op }) => op === 'netlink');
    const set = all.slice(0, first).flatMap((step) => (step.op === 'sysctl' ? [`${step.path}=${step.value} at ${step.proc}`] : []));
    expect(set).toEqual([
      'net/ipv4/conf/default/arp_notify=1 at 3',
      'net/ipv6/conf/default/accept_ra=0 at 3',
      'net/ipv6/conf/default/autoconf=0 at 3',
      'net/ipv6/conf/default/accept_dad=0 at 3',
    ]);
  });

  it('set nothing of IPv6 where the kernel has none', () => {
    const set = steps([attachment], { hasIpv6: false }).flatMap((step) => (step.op === 'sysctl' ? [step.path] : []));
    expect(set).toEqual(['net/ipv4/conf/default/arp_notify']);
  });

  it('are made anew in another run, when those of the run before are gone', () => {
    const removed = (list: readonly Step[]) => list.flatMap((step) => (step.op === 'remove_links' ? [step.group] : []));
    expect(removed(steps([attachment]))).toEqual([]);
    expect(removed(steps([attachment], { isAgain: true }))).toEqual([2 ** 30 + 1]);
  });

  it('leave no descriptor open that would keep the namespace', () => {
    const all = steps([attachment]);
    const opened = all.flatMap((step) => ('out' in step && step.out !== undefined ? [step.out] : []));
    const closed = all.flatMap((step) => (step.op === 'close' ? [step.slot] : []));
    expect([...closed].sort()).toEqual([...opened].sort());
  });
});
