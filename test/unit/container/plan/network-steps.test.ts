import { describe, expect, it } from 'vitest';
import { inOneRow, networkSteps } from '../../../../lib/container/plan/network-steps.js';
import { type Address, type Cidr, parseAddress, parseCidr } from '../../../../lib/network/address.js';
import type { Attachment } from '../../../../lib/network/bridge/attach-network.js';
import { KEYS, MOST_PLACES } from '../../../../lib/network/live/kept-steps.js';
import type { ParsedBandwidth } from '../../../../lib/network/traffic/bandwidth.js';
import { NONE, Slots } from '../../../../lib/plan/plan.js';
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
  announces: false,
  addresses: [cidr('10.1.0.2/24'), cidr('fd00:1::2/64')],
  gateways: [address('10.1.0.1')],
  port: { name: 'nclv0a010002', index: 2 ** 30 + 1 },
  bridge: 2 ** 30,
  names: ['web'],
};
const service = { folder: '/run/members/1', networks: ['shop'], forwards: true };

const PROC = 3;
function steps(
  attachments: readonly Attachment[],
  {
    isAgain = false,
    hasIpv6 = true,
    names = service as typeof service | null,
    kept = NONE,
    bandwidth = null as ParsedBandwidth | null,
    pasta = null as string | null,
  } = {},
): Step[] {
  return inOneRow(
    networkSteps({ attachments, hasIpv6, names, pasta, canChange: false }, { slots: new Slots(), proc: PROC, isAgain, kept, bandwidth }),
  );
}
/** What each request is for. */
const words = (list: readonly Step[]): string[] => list.flatMap((step) => (step.op === 'netlink' ? [step.what] : []));

describe('the links of a container', () => {
  it('cost nothing where there is none', () => {
    expect(steps([], { names: null })).toEqual([]);
  });

  it('are waited for where pasta makes them, and what it prints is heard to the end', () => {
    const all = steps([], { pasta: '/usr/bin/pasta' });
    const namespace = all.find((step) => step.op === 'open_namespace')?.out;
    const start = all.find((step) => step.op === 'start_pasta');
    const said = start?.out;
    expect(start).toMatchObject({ host: true, ns: namespace, path: '/usr/bin/pasta' });
    for (const [from, to] of [
      ['--tcp-ports', 'none'],
      ['--udp-ports', 'none'],
      ['--tcp-ns', 'none'],
      ['--udp-ns', 'none'],
    ] as const) {
      const words = start?.arguments ?? [];
      expect(words[words.indexOf(from) + 1]).toBe(to);
    }
    expect(start?.arguments).toContain('--no-map-gw');
    expect(all.flatMap(({ op }) => (op === 'sysctl' ? [] : [op]))).toEqual([
      ...['open_namespace', 'netlink_socket', 'netlink_batch', 'close', 'start_pasta', 'serve_names', 'close'],
      ...['await_pasta', 'close', 'close', 'keep_pasta'],
    ]);
    expect(all.slice(-4)).toEqual([
      { op: 'await_pasta', said, path: '/usr/bin/pasta' },
      { op: 'close', slot: said },
      { op: 'close', host: true, slot: said },
      { op: 'keep_pasta', host: true },
    ]);
    expect(all.flatMap((step) => (step.op === 'sysctl' ? [step.path] : []))).toContain('net/ipv6/conf/default/accept_ra');
  });

  it('let the container ask for names, also on the links of another', () => {
    const asks = { op: 'serve_names', host: true, forwards: 1, networks: ['shop'], folder: '/run/members/1' };
    for (const links of [[attachment], []]) {
      const all = steps(links);
      const namespace = all.find((step) => step.op === 'open_namespace')?.out;
      const place = all.findIndex(({ op }) => op === 'serve_names');
      expect(all[place]).toEqual({ ...asks, ns: namespace });
      expect(all.slice(place)).toContainEqual({ op: 'close', host: true, slot: namespace });
    }
    expect(steps([attachment], { names: null }).map(({ op }) => op)).not.toContain('serve_names');
  });

  it('are made with their addresses before they are up, and with their routes after', () => {
    expect(words(steps([attachment]))).toEqual([
      'make eth0, the link to the network shop',
      'lock the port nclv0a010002',
      "add the MAC address of nclv0a010002 to the bridge's forwarding database",
      'have eth0 take its link-local address from its MAC address',
      'add the address 10.1.0.2/24 to eth0',
      'add the address fd00:1::2/64 to eth0',
      'bring up eth0',
      'add the default route by 10.1.0.1',
    ]);
  });

  it('say nothing of IPv6 to a link that can have none', () => {
    const said = (mtu: number, hasIpv6: boolean) =>
      words(steps([{ ...attachment, mtu }], { hasIpv6 })).filter((what) => what.includes('link-local'));
    expect([said(1279, true), said(1280, true), said(1500, false)].map(({ length }) => length)).toEqual([0, 1, 0]);
  });

  it('tell of their addresses where neighbours may remember others, before they are up', () => {
    expect(words(steps([{ ...attachment, announces: true }])).slice(6, 8)).toEqual(['have eth0 announce its address', 'bring up eth0']);
  });

  it('are limited at this end before the other one is up, whichever way is asked for', () => {
    const limits = (bandwidth: ParsedBandwidth): string[] => words(steps([attachment], { bandwidth })).slice(6, -2);
    const receives = 'limit what nclv0a010002 sends to 2000 bytes a second (sch_tbf)';
    const sends = [
      'make ncli0a010002, through which goes what nclv0a010002 receives (ifb)',
      'limit what nclv0a010002 receives to 5000 bytes a second (sch_tbf)',
      'look at what nclv0a010002 receives (sch_ingress)',
      'lead what nclv0a010002 receives to ncli0a010002 (cls_u32, act_mirred)',
    ];
    expect(limits({ egress: null, ingress: 2000 })).toEqual([receives]);
    expect(limits({ egress: 5000, ingress: null })).toEqual(sends);
    expect(limits({ egress: 5000, ingress: 2000 })).toEqual([receives, ...sends]);
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
      'net/ipv6/conf/default/accept_ra=0 at 3',
      'net/ipv6/conf/default/autoconf=0 at 3',
      'net/ipv6/conf/default/accept_dad=0 at 3',
    ]);
  });

  it('set nothing of IPv6 where the kernel has none', () => {
    const set = steps([attachment], { hasIpv6: false }).flatMap((step) => (step.op === 'sysctl' ? [step.path] : []));
    expect(set).toEqual([]);
  });

  it('are made anew in another run, when those of the run before are gone', () => {
    const removed = (list: readonly Step[]) => list.flatMap((step) => (step.op === 'remove_links' ? [step.group] : []));
    expect(removed(steps([attachment]))).toEqual([]);
    expect(removed(steps([attachment], { isAgain: true }))).toEqual([2 ** 30 + 1]);
  });

  it('are what was put in their place since, in another run: before it is up, with limits, and then its routes', () => {
    const places = (all: readonly Step[]) =>
      all.flatMap((step) => (step.op === 'run_steps' ? [[step.first, step.last, words(step.steps).length]] : []));
    const of = { slots: new Slots(), proc: PROC, kept: NONE, bandwidth: { egress: null, ingress: 2000 } };
    const again = (attachments: readonly Attachment[], isAgain: boolean, names: typeof service | null) =>
      places(inOneRow(networkSteps({ attachments, hasIpv6: true, names, canChange: true, pasta: null }, { ...of, isAgain })));
    const { link, limits, ways, names } = KEYS;
    expect(again([attachment], false, service)).toEqual([]);
    expect(again([attachment], true, service)).toEqual([
      [link(0), link(0), 6],
      [link(1), link(MOST_PLACES - 1), 0],
      [limits, limits, 1],
      [ways, ways, 2],
      [names, names, 0],
    ]);
    expect(again([], true, null)).toEqual([
      [link(0), link(MOST_PLACES - 1), 0],
      [limits, limits, 0],
      [ways, ways, 0],
      [names, names, 0],
    ]);
  });

  it('leave no descriptor open that would keep the namespace', () => {
    const all = steps([attachment]);
    const opened = all.flatMap((step) => ('out' in step && step.out !== undefined ? [step.out] : []));
    const closed = all.flatMap((step) => (step.op === 'close' ? [step.slot] : []));
    expect([...closed].sort()).toEqual([...opened].sort());
  });
});
